"""What is kept of the Bank of Russia's sheets; see `rates.store` for how rows come here."""

from django.db import models

from rates.money import plain, unit_value


class Currency(models.Model):
    """A currency as the newest sheet that has it names it; the code is the key, names and ids change."""

    char_code = models.CharField("code", max_length=3, unique=True)
    cbr_id = models.CharField("id at the CBR", max_length=16, db_index=True)
    num_code = models.CharField("number", max_length=3, blank=True)
    name = models.CharField(max_length=200)
    name_en = models.CharField("English name", max_length=200, blank=True)

    class Meta:
        ordering = ["char_code"]
        verbose_name_plural = "currencies"

    def __str__(self) -> str:
        return self.char_code


class Rate(models.Model):
    """Roubles for `nominal` units on the day that the sheet is for. A correction overwrites the row."""

    currency = models.ForeignKey(Currency, on_delete=models.PROTECT, related_name="rates")
    date = models.DateField(db_index=True)
    nominal = models.PositiveIntegerField()
    # 15 digits are what SQLite, which keeps decimals as doubles, gives back exactly.
    value = models.DecimalField(max_digits=15, decimal_places=6)
    # As that day's sheet had it, in the plural of the nominal; empty where a series gave the rate.
    name = models.CharField(max_length=200, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["-date", "currency__char_code"]
        constraints = [
            models.UniqueConstraint(fields=["currency", "date"], name="one_rate_per_currency_and_day"),
            models.CheckConstraint(condition=models.Q(nominal__gt=0, value__gt=0), name="rates_are_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.nominal} {self.currency} = {plain(self.value)} RUB ({self.date})"

    @property
    def display_name(self) -> str:
        """The day's name, else today's."""
        return self.name or self.currency.name

    @property
    def unit_value(self) -> str:
        """The price of one unit in roubles, exact, as a decimal string."""
        return unit_value(self.value, self.nominal)


class StoredSheet(models.Model):
    """Says that the rates of this day are a whole sheet, not only records of some currencies' series."""

    date = models.DateField(unique=True)
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["-date"]
        verbose_name = "sheet"

    def __str__(self) -> str:
        return self.date.isoformat()


class AskedRange(models.Model):
    """The CBR has told all that it had of a currency from `start` to `end`, perhaps nothing: it is not asked again."""

    currency = models.ForeignKey(Currency, on_delete=models.CASCADE, related_name="asked_ranges")
    start = models.DateField()
    end = models.DateField()
    asked_at = models.DateTimeField()

    class Meta:
        ordering = ["currency", "start"]
        verbose_name = "history asked for"
        verbose_name_plural = "history asked for"

    def __str__(self) -> str:
        return f"{self.currency} {self.start}..{self.end}"


class CbrContact(models.Model):
    """One row: when the CBR was last asked and how it went, for freshness and for the admin."""

    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="Empty when the last question was answered.")

    class Meta:
        verbose_name = "contact with the CBR"
        verbose_name_plural = "contact with the CBR"

    def __str__(self) -> str:
        return self.error or "answered"
