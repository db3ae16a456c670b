"""Django's SQLite backend, which looks for the lock of writers again within milliseconds.

SQLite sleeps longer with each look, for up to a tenth of a second, and whoever comes later may find the lock first.
Here many processes write, each for a fraction of a millisecond: who has waited for ten would sleep for twenty more
beside a free lock.
"""

import random
import sqlite3
import time
from collections.abc import Iterable
from typing import Any

from django.db.backends.sqlite3 import base

#: The mean of the first pauses between two looks, in seconds: some writes of others.
PAUSE = 0.001
#: Later it is this part of what was waited for: somebody writes for long, and looks take CPU. At most LONGEST_PAUSE.
GROWTH = 0.02
LONGEST_PAUSE = 0.01
#: The statement has done nothing yet. Not so SQLITE_BUSY_SNAPSHOT: what was read is old, and no wait helps.
LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY})


class DatabaseWrapper(base.DatabaseWrapper):
    """OPTIONS["timeout"] bounds the wait as ever; then it is Django's OperationalError "database is locked".

    Without a write-ahead log a commit may have to wait too, which only SQLite itself can repeat: such a database is
    left to it.
    """

    _patient = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> sqlite3.Connection:
        connection: sqlite3.Connection = super().get_new_connection(conn_params)
        self._patient = connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        if self._patient:
            connection.execute("PRAGMA busy_timeout = 0")
        return connection

    def create_cursor(self, name: str | None = None) -> sqlite3.Cursor:
        if not self._patient:
            return super().create_cursor(name)
        cursor: PatientCursor = self.connection.cursor(factory=PatientCursor)
        cursor.patience = self.settings_dict["OPTIONS"].get("timeout", 5.0)
        return cursor


class PatientCursor(base.SQLiteCursorWrapper):
    """Says a statement that finds the database locked again, for `patience` seconds."""

    patience: float

    def execute(self, query: str, params: Any = None) -> Any:
        begun = None
        while True:
            try:
                return super().execute(query, params)
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", None) not in LOCKED:
                    raise
                now = time.monotonic()
                begun = now if begun is None else begun
                if now - begun > self.patience:
                    raise
            time.sleep(random.uniform(0.5, 1.5) * min(max(PAUSE, GROWTH * (now - begun)), LONGEST_PAUSE))

    def executemany(self, query: str, param_list: Iterable[Any]) -> Any:
        """Row by row: outside of a transaction each is committed by itself, and must not be said again."""
        for params in param_list:
            self.execute(query, params)
        return self
