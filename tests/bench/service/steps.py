"""What each step of a request costs in one process: `python -m tests.bench.service.steps N` prints milliseconds of CPU.

No broker, no pool and no Bot API is in it (messages stay in this process), so it depends little on what else the
machine does: for before and after a change.
"""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

from tests.bench.rows import Figure, Figures, Row, Scale, Target
from tests.bench.stage import Unfinished

from .servers import ROOT, Servers
from .sides import OURS, OURS_POSTGRES, Side
from .stand import service_environment

#: The median of so many parts is told.
PARTS = 10
STEPS = ("post", "publish", "fetch", "notify")


def measure(servers: Servers, side: Side, scale: Scale) -> Figures:
    with servers.database(side.database) as url:
        environment = service_environment(
            DATABASE_URL=url,
            REDIS_URL=servers.redis_url,
            DJANGO_SETTINGS_MODULE="tests.bench.service.settings",
            BENCH_BROKER="memory://",
            BENCH_OPTIONS="{}",
            NOTIFIER_BACKEND="memory",
            LOG_LEVEL="INFO",
        )
        command = [sys.executable, "-m", "tests.bench.service.steps", str(scale.of(600, 50))]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise Unfinished(done.stderr.strip().splitlines()[-1])
    found: Figures = json.loads(done.stdout)
    return found


def main(count: int) -> Figures:
    import django

    django.setup()
    from celery.app.trace import build_tracer

    from notifier import dispatch, requests
    from notifier.models import RateRequest
    from notifier.tasks import notify
    from project.celery import app, settle
    from project.wsgi import application
    from rates.tasks import fetch_rate

    def post(number: int) -> None:
        body = b'{"currency_char_code": "USD", "telegram_id": %d}' % (1000 + number)
        told: list[str] = []
        start: Any = lambda status, headers: told.append(status)  # noqa: E731
        answer: Any = application(_environ(body), start)
        b"".join(answer)
        answer.close()
        assert told[0].startswith("202"), told

    def insert(number: int) -> None:
        RateRequest.objects.create(currency_char_code="USD", telegram_id=1, status="cancelled")

    inserted = _each(insert, count)
    figures = {"post": _each(post, count)}
    settle()

    rows: list[RateRequest] = []
    while claimed := requests.claim_due(count // PARTS, uuid.uuid4().hex):
        rows += claimed
    parts = [rows[start : start + count // PARTS] for start in range(0, len(rows), count // PARTS)]
    figures["publish"] = _each(lambda number: dispatch.publish(parts[number]), len(parts)) / (count // PARTS)
    fetch_tracer, notify_tracer = (build_tracer(task.name, task, app=app) for task in (fetch_rate, notify))
    results: dict[str, Any] = {}

    def fetch(number: int) -> None:
        pk = str(rows[number].pk)
        chain = [notify.signature(args=(pk,), task_id=str(uuid.uuid4()))]
        results[pk] = _run(fetch_tracer, ("USD", pk), chain)

    def tell(number: int) -> None:
        pk = str(rows[number].pk)
        _run(notify_tracer, (results[pk], pk), None)

    figures["fetch"] = _each(fetch, len(rows))
    figures["notify"] = _each(tell, len(rows))
    assert RateRequest.objects.filter(status="delivered").count() == count
    total = sum(figures.values())
    return {**figures, "sum": total, "inserts": total / inserted}


def _run(tracer: Any, args: tuple[Any, ...], chain: Any) -> Any:
    """A task as a process of the pool runs it."""
    given = uuid.uuid4().hex
    request = {"id": given, "root_id": given, "args": args, "kwargs": {}, "chain": chain, "delivery_info": {}}
    result, info = tracer(given, args, {}, request)[:2]
    assert info is None, info
    return result


def _environ(body: bytes) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/api/v1/rate-requests/",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT": "application/json",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def _each(step: Callable[[int], object], count: int) -> float:
    """Milliseconds of CPU of one; the first part warms up."""
    size = max(1, count // PARTS)
    taken = []
    for start in range(0, count, size):
        numbers = range(start, min(start + size, count))
        begun = time.process_time()
        for number in numbers:
            step(number)
        taken.append(1000 * (time.process_time() - begun) / len(numbers))
    return statistics.median(taken[1:] or taken)


ROWS = (
    Row(
        "steps",
        "CPU of each step in one process, without broker, pool and Bot API",
        (OURS, OURS_POSTGRES),
        measure,
        (
            *(Figure(name, name, " ms", compared=False) for name in (*STEPS, "sum")),
            Figure("inserts", "sum by an INSERT of the ORM's", compared=False),
        ),
        # No more than it is: a ratio, so that a slower machine tells the same.
        (Target("inserts", at_most=13.0),),
    ),
)

if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))), flush=True)
