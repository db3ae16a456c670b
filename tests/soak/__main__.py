"""A soak: the whole service under a steady load for a long time, and whether a process grows under it.

First it measures how many requests a second come to their end while there are always some to do, then asks for 80 % of
that. Real processes, Apache Kafka, Redis and PostgreSQL; the Bank of Russia and the Bot API are stand-ins. Ends with 1
where memory, open files or threads of a process grow, where one ends, or where a request is lost or left behind.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from project.local.children import NotReady
from project.local.kafka_libs import Missing
from tests.chaos.service import Service


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="under load (30)", metavar="N")
    parser.add_argument("--share", type=float, default=0.8, help="of the capacity (0.8)", metavar="N")
    parser.add_argument("--rate", type=float, help="requests a second, instead of measuring the capacity", metavar="N")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep the parts' logs there")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the report there too")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print("starting Apache Kafka, Redis, the database, the service", file=sys.stderr)
    with ExitStack() as stack:
        folder = args.logs or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            service = stack.enter_context(Service(1, folder, None, clocks=False))
        except (Missing, NotReady) as error:
            print(f"bin/soak: {error}", file=sys.stderr)
            return 2
        os.environ.update(DJANGO_SETTINGS_MODULE="project.settings", ENV_FILES="", DATABASE_URL=service.database_url)
        import django

        django.setup()
        # Not above: the request log's model needs the settings of this very database.
        from tests.soak.run import soak

        return soak(service, args)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
