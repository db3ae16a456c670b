"""What a delivery backend is, and the ways in which it can fail."""

import abc


class PermanentError(Exception):
    """Trying again is of no use. `code` is short and stable, for filters and for the choice of words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TemporaryError(Exception):
    """Another try may succeed, not before `retry_after` seconds where the other side has said so.

    `maybe_sent`: it was not answered, so the message may be out. Another try may then repeat it.
    """

    def __init__(self, message: str, retry_after: float | None = None, maybe_sent: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.maybe_sent = maybe_sent


class Busy(TemporaryError):
    """Not tried: it isn't this message's turn before `retry_after` seconds, by our own limits."""


class Backend(abc.ABC):
    @abc.abstractmethod
    def send(self, chat_id: int, text: str) -> int | None:
        """Deliver `text`, once it returns. Bounded in time. Returns the chat's new id where it has one now.

        Raises PermanentError, TemporaryError or Busy.
        """

    def check(self) -> str:
        """Ask the other side whether sending can work, and return who we are to it.

        Bounded in time. Raises PermanentError where it can't, TemporaryError where that can't be told now.
        """
        return "ready"
