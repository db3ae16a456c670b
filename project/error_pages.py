"""What Django's error pages and mails may show."""

from typing import Any

from django.views.debug import SafeExceptionReporterFilter

from project.redaction import redacted


class ReporterFilter(SafeExceptionReporterFilter):
    """Django's own goes by a setting's name alone, and REDIS_URL has a password as well."""

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        cleansed = super().cleanse_setting(key, value)
        return redacted(str(cleansed)) if isinstance(cleansed, str) else cleansed
