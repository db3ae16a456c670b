"""Django's PostgreSQL backend, whose queries wait for an answer for OPTIONS["answer_timeout"] seconds at most.

A server that hangs, for its disk or its machine, neither answers nor closes anything, and its own timeouts stand still
with it. The connection is closed then: the answer, should it come, must not be taken for that of the next query.
"""

from collections.abc import Generator
from typing import Any

from django.db.backends.postgresql import base
from psycopg import Connection, OperationalError, pq


class DatabaseWrapper(base.DatabaseWrapper):
    """Without answer_timeout, or with 0, a query waits for ever, as a migration may have to."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection[Any]:
        seconds = conn_params.pop("answer_timeout", None)
        connection: Connection[Any] = super().get_new_connection(conn_params)
        if seconds:
            _bound(connection, seconds)
        return connection


def _bound(connection: Connection[Any], seconds: float) -> None:
    unbounded = connection.wait

    def wait(gen: Generator[Any, Any, Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return unbounded(gen, interval, seconds if timeout is None else timeout)
        except OperationalError as error:
            if timeout is not None or connection.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
                raise
            connection.close()
            raise OperationalError(f"no answer within {seconds:g} s") from error

    # Of psycopg's methods all that wait do so by this one.
    setattr(connection, "wait", wait)  # noqa: B010
