"""The admin's pages; importing a module registers its pages."""

from notifier.admin import chats, rate_requests

__all__ = ["chats", "rate_requests"]
