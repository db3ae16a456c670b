"""What is true of the whole service, asked of the database and of Kafka at each scrape.

One process tells it, beat, of which there is one: else each worker would tell the same, and nobody while none runs.
"""

import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterable, Iterator

from django.db import connection
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from notifier.models import RateRequest
from notifier.requests import UNFINISHED
from project.celery import app
from project.kafka import operate
from rates import store

log = logging.getLogger(__name__)

#: How long Kafka may take to answer, in seconds: a scrape has 10, and what else is told must not be lost with it.
PATIENCE = 4.0


class Patient:
    """Asks in a thread, and no second time while that still waits: a broker that hangs takes long to be given up."""

    def __init__(self, ask: Callable[[], Iterator[Metric]]) -> None:
        self._ask = ask
        self._thread: threading.Thread | None = None

    def __call__(self) -> Iterator[Metric]:
        """Raises TimeoutError, and what the question raises."""
        answer: list[Metric] = []
        errors: list[Exception] = []

        def run() -> None:
            try:
                answer.extend(self._ask())
            except Exception as error:  # noqa: BLE001  (raised again below, in the thread that asked)
                errors.append(error)

        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=run, name="metrics", daemon=True)
            self._thread.start()
            self._thread.join(PATIENCE)
        if self._thread.is_alive():
            raise TimeoutError(f"no answer within {PATIENCE:g} s")
        if errors:
            raise errors[0]
        return iter(answer)


class State(Collector):
    """`state_known` is 0 for a source that couldn't be asked; what it tells is missing then."""

    def describe(self) -> Iterable[Metric]:
        """Nothing, without asking: prometheus_client calls `collect` for the names otherwise."""
        return []

    def collect(self) -> Iterator[Metric]:
        known = GaugeMetricFamily("state_known", "Whether a source of the service's state answers.", labels=["source"])
        for source, ask in SOURCES.items():
            try:
                yield from list(ask())
                known.add_metric([source], 1)
            except Exception as error:  # noqa: BLE001  (whatever is wrong with one source, the others are told)
                log.warning("the metrics lack what %s would tell: %s", source, str(error).strip().split("\n")[0])
                known.add_metric([source], 0)
        yield known


def _database() -> Iterator[Metric]:
    try:
        yield from _rates()
        yield from _requests()
    finally:
        connection.close()  # each scrape has a thread of its own


def _rates() -> Iterator[Metric]:
    if (date := store.newest_stored_date()) is not None:
        day = dt.datetime.combine(date, dt.time(), dt.UTC).timestamp()
        yield GaugeMetricFamily("rates_newest_sheet_timestamp_seconds", "The date of the newest sheet.", value=day)
    contact = store.last_contact()
    answered_at = contact.answered_at if contact else None
    yield GaugeMetricFamily(
        "rates_answered_timestamp_seconds",
        "When the Bank of Russia last answered with a sheet; 0 where it never has.",
        value=answered_at.timestamp() if answered_at else 0.0,
    )


def _requests() -> Iterator[Metric]:
    rows = RateRequest.objects.filter(status__in=UNFINISHED)
    counts = dict(rows.values_list("status").annotate(Count("pk")))
    waiting = GaugeMetricFamily("notifier_unfinished", "Requests that haven't ended, by status.", labels=["status"])
    for status in UNFINISHED:
        waiting.add_metric([status.value], counts.get(status.value, 0))
    yield waiting
    oldest = rows.aggregate(oldest=Min("accepted_at"))["oldest"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    yield GaugeMetricFamily("notifier_oldest_unfinished_seconds", "The age of the oldest of them.", value=age)


def _kafka() -> Iterator[Metric]:
    lag = GaugeMetricFamily(
        "kafka_lag", "Messages of a queue that its workers haven't finished.", labels=["queue", "topic"]
    )
    dead = GaugeMetricFamily("kafka_dead_letters", "Records among the dead letters.", labels=["topic"])
    with operate.connected(app) as operator:
        for row in operator.topics():
            if row.kind == "queue":
                lag.add_metric([row.queue or row.topic, row.topic], row.length)
            elif row.kind == "dead letters":
                dead.add_metric([row.topic], row.length)
    yield lag
    yield dead


SOURCES: dict[str, Callable[[], Iterator[Metric]]] = {"database": _database, "kafka": Patient(_kafka)}
