"""The rates in the database: a correction overwrites, history stays, saving twice changes nothing."""

import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from rates import cache
from rates.catalogue import english_name
from rates.models import CbrContact, Currency, Rate, StoredSheet
from rates.money import plain
from rates.sheets import Sheet, SheetRate

# Beat asks the CBR at least every hour; without an answer for longer the stored sheet may not be the newest.
FRESH_FOR = datetime.timedelta(hours=2)


def stored_sheet(date: datetime.date) -> Sheet | None:
    """The whole sheet for `date`, ordered by code, or None where none is stored."""
    if not StoredSheet.objects.filter(date=date).exists():
        return None
    return Sheet(date, tuple(_sheet_rate(row) for row in rates_on(date)))


def newest_stored_sheet() -> Sheet | None:
    """The whole sheet with the latest date, or None where nothing is stored."""
    date = newest_stored_date()
    return stored_sheet(date) if date else None


def rates_on(date: datetime.date | None) -> QuerySet[Rate]:
    """The stored rates for `date` with their currencies, ordered by code; none for None."""
    rates = Rate.objects.select_related("currency").order_by("currency__char_code")
    return rates.filter(date=date) if date else rates.none()


def newest_stored_date() -> datetime.date | None:
    """The date of the newest whole sheet."""
    return StoredSheet.objects.order_by("-date").values_list("date", flat=True).first()


def has_sheet(first: datetime.date, end: datetime.date) -> bool:
    """Whether a whole sheet is stored from `first` on, before `end`."""
    return StoredSheet.objects.filter(date__gte=first, date__lt=end).exists()


@transaction.atomic
def save_sheet(sheet: Sheet) -> None:
    """Makes the day's stored rates exactly those of `sheet`."""
    now = timezone.now()
    if _same(stored_sheet(sheet.date), sheet):
        StoredSheet.objects.filter(date=sheet.date).update(updated_at=now)
        return
    newest = newest_stored_date()
    # An old sheet must not bring back the names and ids of its time.
    ids = _save_currencies(sheet, overwrite=newest is None or sheet.date >= newest)
    Rate.objects.bulk_create(
        [_row(ids[rate.char_code], sheet.date, rate, now) for rate in sheet.rates],
        update_conflicts=True,
        unique_fields=["currency", "date"],
        update_fields=["nominal", "value", "name", "updated_at"],
    )
    Rate.objects.filter(date=sheet.date).exclude(currency_id__in=ids.values()).delete()
    StoredSheet.objects.update_or_create(date=sheet.date, defaults={"updated_at": now})
    transaction.on_commit(cache.changed)


@transaction.atomic
def add_sheet(sheet: Sheet) -> bool:
    """Saves `sheet` if none is stored for its day; says whether it did. What the CBR has corrected stays."""
    if StoredSheet.objects.filter(date=sheet.date).exists():
        return False
    save_sheet(sheet)
    return True


def note_contact(asked_at: datetime.datetime, error: str = "") -> None:
    """Keeps when the CBR was asked, and the error unless it answered."""
    outcome: dict[str, object] = {"asked_at": asked_at, "error": error}
    if not error:
        outcome["answered_at"] = timezone.now()
    was_fresh = is_fresh()
    CbrContact.objects.update_or_create(pk=1, defaults=outcome)
    if was_fresh != is_fresh():
        transaction.on_commit(cache.changed)


def last_contact() -> CbrContact | None:
    """When the CBR was last asked, and how it went."""
    return CbrContact.objects.filter(pk=1).first()


def is_fresh() -> bool:
    """Whether the CBR was asked lately and answered, so that the newest stored sheet is its newest."""
    contact = last_contact()
    return contact is not None and not contact.error and contact.asked_at > timezone.now() - FRESH_FOR


def _same(stored: Sheet | None, sheet: Sheet) -> bool:
    return stored is not None and set(stored.rates) == set(sheet.rates)


def _sheet_rate(row: Rate) -> SheetRate:
    currency = row.currency
    return SheetRate(
        cbr_id=currency.cbr_id,
        num_code=currency.num_code,
        char_code=currency.char_code,
        nominal=row.nominal,
        name=row.display_name,
        # Without the zeros that the column adds, so that a stored sheet is the one that was saved.
        value=Decimal(plain(row.value)),
    )


def _row(currency_id: int, date: datetime.date, rate: SheetRate, now: datetime.datetime) -> Rate:
    return Rate(
        currency_id=currency_id,
        date=date,
        nominal=rate.nominal,
        value=rate.value,
        name=rate.name,
        updated_at=now,
    )


def _save_currencies(sheet: Sheet, *, overwrite: bool) -> dict[str, int]:
    """Writes what is new, and with `overwrite` what has changed, in one query; returns the keys by code."""
    codes = [rate.char_code for rate in sheet.rates]
    stored = {currency.char_code: currency for currency in Currency.objects.filter(char_code__in=codes)}
    missing = [rate for rate in sheet.rates if not _is_stored(stored.get(rate.char_code), rate, overwrite)]
    if not missing:
        return {code: currency.pk for code, currency in stored.items()}
    rows = [
        Currency(
            char_code=rate.char_code,
            cbr_id=rate.cbr_id,
            num_code=rate.num_code,
            name=rate.name,
            name_en=english_name(rate.cbr_id),
        )
        for rate in missing
    ]
    if overwrite:
        Currency.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["char_code"],
            update_fields=["cbr_id", "num_code", "name"],
        )
    else:
        Currency.objects.bulk_create(rows, ignore_conflicts=True)
    return dict(Currency.objects.filter(char_code__in=codes).values_list("char_code", "pk"))


def _is_stored(currency: Currency | None, rate: SheetRate, overwrite: bool) -> bool:
    if currency is None or not overwrite:
        return currency is not None
    return (currency.cbr_id, currency.num_code, currency.name) == (rate.cbr_id, rate.num_code, rate.name)
