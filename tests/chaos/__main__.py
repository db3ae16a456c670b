"""Chaos: while requests flow, every part of the service is killed, stopped or cut off, singly and in pairs.

Real processes, Apache Kafka, Redis and PostgreSQL; the Bank of Russia and the Bot API are stand-ins. Ends with 1 where
a request was lost, failed, stuck, or was told twice without the log saying that it may have been.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from project.local import kafka_libs
from project.local.children import NotReady
from project.local.kafka_libs import Missing
from tests.chaos.network import Network, NotAllowed
from tests.chaos.service import Service


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few faults, three minutes in all")
    parser.add_argument("--minutes", type=float, default=60.0, help="of the long form (60)", metavar="N")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="decides the faults (any)")
    parser.add_argument("--rate", type=float, default=5.0, help="requests a second (5)", metavar="N")
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=1, help="of Kafka (1)")
    parser.add_argument("--only", default="", help="the faults with this text in their name", metavar="TEXT")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep the parts' logs there")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the report there too")
    return parser.parse_args()


def namespaces() -> tuple[Network | None, str]:
    """The network, or why there is none."""
    try:
        return Network(), ""
    except NotAllowed as reason:
        return None, str(reason)


def main() -> int:
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"seed {args.seed}; starting Apache Kafka ({args.nodes}), Redis, the database, the service", file=sys.stderr)
    with ExitStack() as stack:
        folder = args.logs or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            # While there is a way out: the network below has none.
            kafka_libs.libraries()
            network, reason = namespaces()
            service = stack.enter_context(Service(args.nodes, folder, network))
        except (Missing, NotReady) as error:
            print(f"bin/chaos: {error}", file=sys.stderr)
            return 2
        os.environ.update(DJANGO_SETTINGS_MODULE="project.settings", ENV_FILES="", DATABASE_URL=service.database_url)
        import django

        django.setup()
        # Not above: the request log's model needs the settings of this very database.
        from tests.chaos.run import rage

        if reason:
            service.not_run |= dict.fromkeys(("cutting off", "a full disk of the broker"), reason)
        return rage(service, args)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
