"""bin/bench transport: the transport beside Redis, RabbitMQ, stock kombu and Celery's own ceiling.

All peers of a row are measured in turn, round after round, each time with fresh workers and a fresh queue. Progress
goes to stderr, the tables to stdout. docs/benchmarks.md tells what each row measures.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from . import faults, idle, latency, million, report, sharing, throughput
from .figures import number
from .outcome import Outcome
from .peers import CEILING, Absent, Brokers, Peer
from .progress import tell
from .rows import Figures, Row, Scale
from .stage import Unfinished
from .warm import warm_up

ROWS = (
    *throughput.ROWS[:2],
    *latency.ROWS,
    *throughput.ROWS[2:],
    *sharing.ROWS,
    *faults.ROWS,
    *idle.ROWS,
    *million.ROWS,
)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
KEPT = PAGE.parent / "figures" / "transport"
#: A peer that has not come to an end so often, and never has, is left out of the row's further rounds.
PATIENCE = 2


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(prog="bin/bench transport", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="of each row (7)")
    parser.add_argument("--only", metavar="ROW,…", help=f"these rows: {', '.join(names)}")
    parser.add_argument("--peers", metavar="PEER,…", help="these peers only, for a look at one thing")
    parser.add_argument("--all", action="store_true", help="the slow rows too (million)")
    parser.add_argument("--quick", action="store_true", help="one small round: a smoke test, its figures mean nothing")
    parser.add_argument("--tasks", type=int, default=million.ENOUGH, metavar="N", help="of the row million")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every figure, saved after each row")
    parser.add_argument(
        "--from",
        dest="files",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="measure nothing, show this",
    )
    parser.add_argument("--markdown", action="store_true", help="print it as it stands in docs/benchmarks.md")
    parser.add_argument("--write-docs", action="store_true", help="put it there, with the rows kept in docs/figures")
    args = parser.parse_args(argv)
    unknown = set((args.only or "").split(",")) - {"", *names}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))} (there are: {', '.join(names)})")
    if args.rounds < 1 or args.tasks < 1000:
        parser.error("at least one round and 1000 tasks")
    return args


def chosen(args: argparse.Namespace) -> list[Row]:
    if args.only:
        return [row for row in ROWS if row.name in args.only.split(",")]
    return [row for row in ROWS if args.all or not row.slow]


class Run:
    """The rounds of the chosen rows. `results` has what is measured until now."""

    def __init__(self, brokers: Brokers, scale: Scale, rounds: int, peers: Sequence[str] | None) -> None:
        self._brokers, self._scale, self._rounds, self._only = brokers, scale, rounds, peers
        self.results: dict[str, dict[str, list[Figures | None]]] = {}
        self.absent: dict[str, str] = {}
        self.used: list[str] = []

    def row(self, row: Row) -> None:
        peers = [peer for peer in row.peers if self._only is None or peer.name in self._only]
        results = self.results[row.name] = {peer.name: [] for peer in peers}
        for peer in peers:
            self._warm_up(peer)
        rounds = 1 if self._scale.quick else min(self._rounds, row.rounds or self._rounds)
        for round_ in range(1, rounds + 1):
            for peer in peers:
                before = results[peer.name]
                hopeless = len(before) >= PATIENCE and not any(before)
                if peer.name not in self.absent and not hopeless:
                    before.append(self._measure(row, peer, round_, rounds))

    def _warm_up(self, peer: Peer) -> None:
        if peer.name in self.absent or peer.broker in self.used:
            return
        try:
            self._brokers.url(peer)
            self.used.append(peer.broker)
            if peer is not CEILING and not self._scale.quick:
                warm_up(self._brokers, peer, self._scale)
        except Absent as reason:
            tell(f"{peer.title}: {reason}")
            self.absent[peer.name] = str(reason)
        except Unfinished as reason:
            tell(f"{peer.title} did not warm up: {reason}")

    def _measure(self, row: Row, peer: Peer, round_: int, rounds: int) -> Figures | None:
        where = f"{row.name} {round_}/{rounds}, {peer.title}"
        tell(where)
        try:
            figures = row.measure(self._brokers, peer, f"{row.name}-{round_}-{peer.name}", self._scale)
        except Unfinished as reason:
            tell(f"{where}: {reason}")
            return None
        tell(f"  {', '.join(f'{key} {number(value)}' for key, value in figures.items())}")
        return figures


def main(argv: Sequence[str]) -> int:
    args = arguments(argv)
    outcome = Outcome.load(args.files) if args.files else measure(args)
    if args.write_docs:
        outcome = outcome.keep(KEPT)
    rows = [(row, outcome.rows[row.name]) for row in ROWS if row.name in outcome.rows]
    page = report.markdown(outcome.machine, rows, outcome.absent)
    if args.write_docs:
        report.write_docs(page, PAGE)
        tell(f"written to {PAGE}")
    print(page if args.markdown else report.text(outcome.machine, rows, outcome.absent))
    return 0


def measure(args: argparse.Namespace) -> Outcome:
    load = f"load average before the run {os.getloadavg()[0]:.1f}; medians of {args.rounds} rounds (lowest–highest)"
    if args.quick:
        load = "--quick: these figures mean nothing"
    with Brokers() as brokers:
        run = Run(brokers, Scale(args.quick, args.tasks), args.rounds, args.peers.split(",") if args.peers else None)
        try:
            for row in chosen(args):
                run.row(row)
                outcome = Outcome([*report.machine(run.used), load], run.absent, run.results)
                if args.json:
                    outcome.save(args.json)
        except KeyboardInterrupt:
            tell("stopped; what follows is what was measured until now")
        return Outcome([*report.machine(run.used), load], run.absent, run.results)
