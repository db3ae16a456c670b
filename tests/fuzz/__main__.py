"""Puts made-up input into every door of the service, and counts what comes of it: the API by its own OpenAPI document
(schemathesis), the Bank's XML, Kafka records, what people write to the bot.

Ends with 1 where an answer was none that may be. All of it is in this process; a Redis is started, nothing is sent.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.runner import Outcome

DOORS = ("api", "sheets", "records", "updates")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/fuzz", description=__doc__)
    parser.add_argument("doors", nargs="*", metavar="DOOR", help=f"{', '.join(DOORS)}; all without")
    parser.add_argument("--cases", type=int, default=10_000, metavar="N", help="in all (10000)")
    parser.add_argument("--seed", type=int, metavar="N", help="the same cases again; without, others each time")
    args = parser.parse_args()
    if unknown := set(args.doors) - set(DOORS):
        parser.error(f"no such door: {', '.join(sorted(unknown))}")
    return args


@contextmanager
def service() -> Iterator[None]:
    """Django with the tests' settings, a scratch database with the bundled rates, a Redis and the CBR's stand-in."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    # Each 4xx is a warning, and most cases are one.
    logging.disable(logging.WARNING)
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    from rates.history import load_bundled
    from tests.servers import start_redis
    from tests.standins.cbr import CbrStandin

    name = str(connection.settings_dict["NAME"])
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    redis = start_redis()
    try:
        with CbrStandin() as cbr:
            settings.CBR_URL, settings.REDIS_URL = cbr.url, f"redis://{redis.address}/0"
            load_bundled()
            yield
    finally:
        redis.stop()
        connection.creation.destroy_test_db(name, verbosity=0)


def main() -> int:
    args = arguments()
    first = args.seed if args.seed is not None else random.randrange(10**6)
    with ExitStack() as stack:
        stack.enter_context(service())
        from tests.fuzz import api, records, runner, sheets, updates

        modules = {"api": api, "sheets": sheets, "records": records, "updates": updates}
        doors = [modules[door] for door in args.doors or DOORS]
        outcomes = runner.run([each for door in doors for each in door.inputs()], args.cases, first)
        lines = list(runner.table(outcomes))
    print("\n".join([f"bin/fuzz {' '.join(args.doors)} --cases {args.cases} --seed {first}", "", *lines]))
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    for outcome in failed:
        tell(outcome)
    return 1 if failed else 0


def tell(outcome: Outcome) -> None:
    print(f"\n{outcome.input.name}, seed {outcome.failed_seed}:", file=sys.stderr)
    traceback.print_exception(outcome.failure, limit=-4)


if __name__ == "__main__":
    sys.exit(main())
