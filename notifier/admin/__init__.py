"""The admin's pages; importing a module registers its pages."""

from notifier.admin import rate_requests

__all__ = ["rate_requests"]
