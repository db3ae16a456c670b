"""A storm: Celery workers on real Apache Kafka are killed again and again while tasks are published. None may be lost.

Ends with 1 when a task was lost, stayed in the queue or went to the dead letters, or a worker ended by itself.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from project.local.kafka_cluster import KafkaCluster
from project.local.kafka_libs import VERSION, Missing
from tests.servers import start_kafka, start_redis
from tests.storm import report
from tests.storm.storm import Plan, Storm


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/storm", description=__doc__)
    plan = Plan()
    for name, metavar, what in (
        ("messages", "N", "tasks to publish"),
        ("workers", "N", "worker processes"),
        ("partitions", "N", "of the queue's topic"),
        ("restarts", "N", "how often each worker is killed and started again"),
        ("life", "SECONDS", "from a worker's first task to its kill, on average (a quarter: from its start)"),
        ("task", "SECONDS", "how long a task takes, on average"),
        ("seed", "N", "decides the moments of the kills"),
        ("broker-kills", "N", "how often the broker is killed too, after a kill of a worker"),
        ("pool", "NAME", "prefork, threads or solo"),
        ("concurrency", "N", "tasks at once in each worker"),
        ("patience", "SECONDS", "without progress, then what is missing counts as lost"),
    ):
        default = getattr(plan, name.replace("-", "_"))
        parser.add_argument(
            f"--{name}", type=type(default), default=default, metavar=metavar, help=f"{what} ({default})"
        )
    parser.add_argument("--write", type=Path, metavar="FILE", help="keep the report there too (docs/storm.md)")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep the workers' logs there")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = Plan.__dataclass_fields__
    plan = Plan(**{name: value for name, value in vars(args).items() if name in names})
    with ExitStack() as stack:
        folder = args.logs or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="storm-")))
        folder.mkdir(parents=True, exist_ok=True)
        print("starting Redis and Apache Kafka", file=sys.stderr, flush=True)
        try:
            kafka = start_kafka()
        except Missing as error:
            print(f"bin/storm: {error}", file=sys.stderr)
            return 2
        stack.callback(kafka.stop)
        redis = start_redis()
        stack.callback(redis.stop)
        storm = Storm(plan, kafka.bootstrap, f"redis://{redis.address}/0", "storm", folder)
        outcome = storm.run(lambda: _restart(kafka))
    print(report.text(outcome))
    for number, runs in list(outcome.unexplained.items())[:20]:
        print(f"task {number} ran again without a kill: {runs}", file=sys.stderr)
    if args.write:
        command = shlex.join(["bin/storm", *sys.argv[1:]])
        report.write(args.write, report.markdown(outcome, command, f"Apache Kafka {VERSION} (one node)"))
    return 0 if outcome.good else 1


def _restart(kafka: KafkaCluster) -> None:
    kafka.kill(0)
    kafka.restart(0)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
