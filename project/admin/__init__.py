"""The admin's own pages beside those of the models: the dashboard, the dead letters, who did what."""

from project.admin import log_entries

__all__ = ["log_entries"]
