"""The storm's report, for the terminal and for the docs."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import celery
import confluent_kafka

from tests.storm.storm import Outcome

BEGIN, END = "<!-- the report: bin/storm --write -->", "<!-- end of the report -->"


def text(outcome: Outcome) -> str:
    plan = outcome.plan
    rows = [
        ("seed", str(plan.seed)),
        ("workers", f"{plan.workers} ({plan.pool}, {plan.concurrency} tasks at once each)"),
        ("partitions", str(plan.partitions)),
        (
            "kills",
            f"{outcome.kills} of workers (SIGKILL to the whole process group), {outcome.broker_kills} of the broker",
        ),
        ("published and confirmed", f"{outcome.published} (of them {outcome.published_again} again, after an error)"),
        ("lost", f"{len(outcome.lost)}" + (f", the first: {outcome.lost[:10]}" if outcome.lost else "")),
        ("in the dead letters", str(outcome.dead)),
        ("still in the queue", str(outcome.left)),
        ("tasks that ran more than once", f"{outcome.repeated_tasks} ({outcome.repeated_runs} runs too many)"),
        ("running, or ended in the last moments", f"{outcome.in_flight} at most, when their workers were killed"),
        ("runs that had ended earlier", f"{outcome.late}, the oldest {outcome.oldest:.2f} s before the kill"),
        ("repeats without a kill", str(len(outcome.unexplained))),
        ("workers that ended by themselves", ", ".join(outcome.deaths) or "0"),
        ("time of the storm", f"{outcome.storm_seconds:.0f} s"),
        ("time until all was done and committed", f"{outcome.seconds:.0f} s"),
        ("rate over all of it", f"{outcome.published / outcome.seconds:.0f} tasks/s"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def markdown(outcome: Outcome, command: str, broker: str) -> str:
    rows = [line.split("  ", 1) for line in text(outcome).splitlines()]
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, Celery {celery.__version__}"
    machine += f", librdkafka {confluent_kafka.libversion()[0]}, {broker}"
    table = "\n".join(f"| {name.strip()} | {value.strip()} |" for name, value in rows)
    return f"`{command}` on {machine}:\n\n| | |\n|---|---|\n{table}\n"


def write(path: Path, report: str) -> None:
    """Put the report between its marks in a file. Raises ValueError where they are missing."""
    before, _, rest = path.read_text().partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{path} has no place for the report: {BEGIN} … {END}")
    path.write_text(f"{before}{BEGIN}\n{report}{END}{after}")
