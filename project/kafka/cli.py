"""``celery -A APP kafka …``: what an operator of Celery on Kafka needs. Celery finds it by the entry point group
``celery.commands``; it is imported with every command of Celery's, so what it needs is imported when it is used.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .signing import opened

if TYPE_CHECKING:
    from .dead import Letter
    from .operate import Operator

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(name="kafka")
def kafka() -> None:
    """Topics, lag and dead letters of an application whose broker is kafka://."""


@kafka.command()
@as_json
@click.option("--all", "everything", is_flag=True, help="Other applications' topics too.")
@click.pass_context
def topics(ctx: click.Context, as_json: bool, everything: bool) -> None:
    """The application's topics: queues with what isn't finished, dead letters with what isn't handled."""
    with operator(ctx) as brokers:
        rows = brokers.topics(everything)
    if as_json:
        _print_json([asdict(row) for row in rows])
    else:
        _print_table(
            ("TOPIC", "KIND", "QUEUE", "PARTITIONS", "LENGTH"),
            [(row.topic, row.kind, row.queue, row.partitions, row.length) for row in rows],
        )


@kafka.command()
@as_json
@click.argument("queues", metavar="[QUEUE]...", nargs=-1)
@click.pass_context
def lag(ctx: click.Context, as_json: bool, queues: Sequence[str]) -> None:
    """How far each group is in each partition. LAG is what isn't finished, behind an unfinished task too."""
    with operator(ctx) as brokers:
        found = brokers.lag(queues)
    if as_json:
        _print_json({"partitions": [asdict(row) for row in found.rows], "warnings": found.warnings})
        return
    _print_table(
        ("QUEUE", "GROUP", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER"),
        [(row.queue, row.group, row.partition, row.committed, row.end, row.lag, row.member) for row in found.rows],
    )
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)


@kafka.command()
@click.argument("queue")
@click.argument("count", type=click.IntRange(min=1))
@click.pass_context
def partitions(ctx: click.Context, queue: str, count: int) -> None:
    """Give a queue COUNT partitions, so that as many workers can share it. Workers and publishers go on meanwhile."""
    with operator(ctx) as brokers:
        before = brokers.add_partitions(queue, count)
    click.echo(f"{queue}: {count} partitions, {before} before. Workers and publishers use them within a minute.")


@kafka.command()
@click.argument("group")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_context
def forget(ctx: click.Context, group: str, yes: bool) -> None:
    """Forget a group that nobody is in any more (lag lists them): what it hasn't consumed would be kept for it."""
    with operator(ctx) as brokers:
        if not yes:
            click.confirm(f"Forget how far group {group} is? Coming back it begins anew.", abort=True, err=True)
        brokers.forget(group)
    click.echo(f"Group {group} is forgotten.")


# --- dead letters ---------------------------------------------------------------------------------------------------


@kafka.group()
def dead() -> None:
    """Dead letters: what was no message, or was delivered too often."""


@dead.command(name="list")
@as_json
@click.argument("queues", metavar="[QUEUE]...", nargs=-1)
@click.pass_context
def list_(ctx: click.Context, as_json: bool, queues: Sequence[str]) -> None:
    """The dead letters of queues, or of all, the oldest first."""
    with operator(ctx) as brokers:
        letters = brokers.dead_letters(queues)
    if as_json:
        _print_json([_summary(letter) for letter in letters])
    else:
        _print_table(
            ("ID", "TASK", "TASK ID", "DELIVERIES", "DIED", "REASON"),
            [(one.id, one.task, one.task_id, one.deliveries, one.died, _short(one.reason)) for one in letters],
        )


@dead.command()
@as_json
@click.argument("id")
@click.pass_context
def show(ctx: click.Context, as_json: bool, id: str) -> None:
    """One dead letter with all that is known of it: the whole record."""
    with operator(ctx) as brokers:
        (letter,) = brokers.dead.find([id])
    whole = {**_summary(letter), **_content(letter)}
    if as_json:
        _print_json(whole)
        return
    for name, value in whole.items():
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        click.echo(f"{click.style(name, bold=True)}: {text}")


@dead.command()
@as_json
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "queue", metavar="QUEUE", help="All dead letters of this queue.")
@click.pass_context
def replay(ctx: click.Context, as_json: bool, ids: Sequence[str], queue: str | None) -> None:
    """Send dead letters to their queues again; each leaves the dead letters once the broker has it."""
    with operator(ctx) as brokers:
        letters = _chosen(brokers, ids, queue)
        sent = brokers.dead.replay(letters)
    left = [letter.id for letter in letters if letter not in sent]
    if as_json:
        _print_json({"replayed": [letter.id for letter in sent], "left": left})
    else:
        click.echo(f"Replayed {len(sent)} of {len(letters)} dead letters.")
    if left:
        raise click.ClickException(
            f"{', '.join(left)} can't be replayed: the record was too large to be kept. "
            "celery kafka dead drop takes it away"
        )


@dead.command()
@as_json
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "queue", metavar="QUEUE", help="All dead letters of this queue.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_context
def drop(ctx: click.Context, as_json: bool, ids: Sequence[str], queue: str | None, yes: bool) -> None:
    """Delete dead letters for good."""
    with operator(ctx) as brokers:
        letters = _chosen(brokers, ids, queue)
        if letters and not yes:
            click.confirm(f"Delete {len(letters)} dead letters for good?", abort=True, err=True)
        brokers.dead.drop(letters)
    if as_json:
        _print_json({"dropped": [letter.id for letter in letters]})
    else:
        click.echo(f"Dropped {len(letters)} dead letters.")


def _chosen(brokers: Operator, ids: Sequence[str], queue: str | None) -> list[Letter]:
    if bool(ids) == (queue is not None):
        raise click.UsageError("name dead letters by their ID, or all of a queue by --all QUEUE")
    return brokers.dead.find(ids) if queue is None else brokers.dead_letters([queue])


# --- helpers --------------------------------------------------------------------------------------------------------


@contextmanager
def operator(ctx: click.Context) -> Iterator[Operator]:
    """For the application of `celery -A`; what goes wrong ends the command with one line and exit code 1."""
    from kombu.exceptions import ChannelError, OperationalError

    from .errors import ConfigurationError, Refused
    from .operate import connected

    try:
        with connected(ctx.obj.app) as brokers:
            yield brokers
    except (OperationalError, ChannelError, ConfigurationError, Refused) as error:
        raise click.ClickException(str(error.args[0] if error.args else error)) from error


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = [head, *(["–" if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"


def _summary(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "task": letter.task,
        "task_id": letter.task_id,
        "reason": letter.reason,
        "deliveries": letter.deliveries,
        "died": letter.died,
        "origin": letter.origin,
        "stored": [f"{topic}:{number}:{offset}" for (topic, number), offset in letter.copies],
    }


def _content(letter: Letter) -> dict[str, Any]:
    """The record itself, as readable as it can be."""
    value = _readable(letter.value)
    try:
        message = json.loads(opened((value or "").encode()) or b"")
    except ValueError:
        message = None
    body = message.get("body") if isinstance(message, dict) else None
    return {
        "key": _readable(letter.key),
        "headers": {name: _readable(item.encode() if isinstance(item, str) else item) for name, item in letter.headers},
        "value": value if message is None else message,
        "body": None if not isinstance(body, str) else _body(body),
    }


def _body(body: str) -> Any:
    """A task's arguments, where they are JSON, which kombu packs in base64."""
    try:
        return json.loads(base64.b64decode(body, validate=True))
    except ValueError:
        return body


def _readable(data: bytes | None) -> str | None:
    return None if data is None else data.decode(errors="backslashreplace")
