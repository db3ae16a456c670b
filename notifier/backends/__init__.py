"""How a message gets to a person: one backend at a time, chosen by settings.NOTIFIER_BACKEND as Django's e-mail
backends are, by a short name or by the dotted path of a class."""

from django.conf import settings
from django.utils.module_loading import import_string

from notifier.backends.base import Backend, Busy, PermanentError, TemporaryError

__all__ = ["SHORT_NAMES", "Backend", "Busy", "PermanentError", "TemporaryError", "backend_class", "get_backend"]

SHORT_NAMES = {
    "telegram": "notifier.backends.telegram.TelegramBackend",
    "console": "notifier.backends.console.ConsoleBackend",
    "memory": "notifier.backends.memory.MemoryBackend",
}


def backend_class(name: str) -> type[Backend]:
    """The class behind a short name or a dotted path. Raises ImportError for what is neither."""
    found = import_string(SHORT_NAMES.get(name, name))
    if not (isinstance(found, type) and issubclass(found, Backend)):
        raise ImportError(f"{name} is no notifier.backends.Backend")
    return found


def get_backend() -> Backend:
    """The backend that the settings name; cheap, so made for each use."""
    return backend_class(settings.NOTIFIER_BACKEND)()
