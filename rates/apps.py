"""The Django application that knows what a rate is, and nothing of who is told."""

from django.apps import AppConfig


class RatesConfig(AppConfig):
    name = "rates"
    verbose_name = "Rates of the Bank of Russia"
