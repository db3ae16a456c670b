"""What it takes to parse and store a sheet, beside the least that it could: `python -m tests.bench.service.prewarm N`
prints milliseconds as JSON. Each sheet is the recorded one of 54 rates under a day of its own.
"""

from __future__ import annotations

import datetime as dt
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal

from tests.bench.rows import Figure, Figures, Row, Scale, Target
from tests.bench.stage import Unfinished

from .servers import ROOT, Servers
from .sides import OURS, OURS_POSTGRES, Side
from .stand import service_environment

RECORDED = ROOT / "rates" / "data" / "daily_2026-04-25.xml"
FIRST_DAY = dt.date(2030, 1, 1)


def measure(servers: Servers, side: Side, scale: Scale) -> Figures:
    with servers.database(side.database) as url:
        environment = service_environment(DATABASE_URL=url, REDIS_URL=servers.redis_url)
        command = [sys.executable, "-m", "tests.bench.service.prewarm", str(scale.of(60, 5))]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise Unfinished(done.stderr.strip().splitlines()[-1])
    found: Figures = json.loads(done.stdout)
    return found


def main(count: int) -> Figures:
    import django

    django.setup()
    from django.db import transaction
    from django.utils import timezone
    from lxml import etree

    from rates import store
    from rates.models import Currency, Rate
    from rates.sheets import parse_sheet

    def ours(body: bytes) -> None:
        store.save_sheet(parse_sheet(body))

    @transaction.atomic
    def least(body: bytes) -> None:
        root = etree.fromstring(body)
        day = dt.datetime.strptime(root.get("Date"), "%d.%m.%Y").date()
        now = timezone.now()
        rows = [
            Rate(
                currency_id=keys[valute.findtext("CharCode")],
                date=day,
                nominal=int(valute.findtext("Nominal")),
                value=Decimal(valute.findtext("Value").replace(",", ".")),
                name=valute.findtext("Name"),
                updated_at=now,
            )
            for valute in root
        ]
        fields = ["nominal", "value", "name", "updated_at"]
        Rate.objects.bulk_create(rows, update_conflicts=True, unique_fields=["currency", "date"], update_fields=fields)

    recorded = RECORDED.read_bytes()
    bodies = [
        recorded.replace(b"25.04.2026", f"{FIRST_DAY + dt.timedelta(days=number):%d.%m.%Y}".encode(), 1)
        for number in range(2 * count + 2)
    ]
    ours(bodies[-1])
    keys = dict(Currency.objects.values_list("char_code", "pk"))
    least(bodies[-2])
    taken: dict[Callable[[bytes], None], list[float]] = {ours: [], least: []}
    for number in range(count):
        for offset, way in enumerate(taken):
            begun = time.perf_counter()
            way(bodies[2 * number + offset])
            taken[way].append(1000 * (time.perf_counter() - begun))
    medians = {way.__name__: statistics.median(times) for way, times in taken.items()}
    return {**medians, "times": medians["ours"] / medians["least"]}


ROWS = (
    Row(
        "prewarm",
        "a sheet of 54: parse and store",
        (OURS, OURS_POSTGRES),
        measure,
        (
            Figure("ours", "ours", " ms", compared=False),
            Figure("least", "lxml and one upsert", " ms", compared=False),
            Figure("times", "ours by that", "×", compared=False),
        ),
        (Target("times", at_most=2.0),),
    ),
)

if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))), flush=True)
