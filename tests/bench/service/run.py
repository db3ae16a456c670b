"""bin/bench app: the application beside its peers, from the POST to the message.

All sides take turns, round after round; in each round a side's parts are started anew, with a fresh database and
topics, and all rows are measured on that start. Progress goes to stderr, the tables to stdout. docs/performance.md
tells what each row measures.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.bench import plots, report
from tests.bench.figures import number
from tests.bench.outcome import Outcome
from tests.bench.peers import OURS, RABBITMQ, REDIS, TANSU, Absent
from tests.bench.progress import tell
from tests.bench.rows import Figures, Rounds, Row, Scale
from tests.bench.stage import Unfinished
from tests.bench.warm import warm_up

from . import capacity, prewarm, scaling, steps
from . import rows as stand_rows
from .servers import ROOT, Servers
from .sides import Side
from .stand import Stand

PAGE = ROOT / "docs" / "performance.md"
IMAGES = PAGE.parent / "images"
KEPT = PAGE.parent / "figures" / "app"
MARK = "<!-- figures: written by `bin/bench app --write-docs` -->"
ROWS: tuple[Row, ...] = (*stand_rows.ROWS, *steps.ROWS, *prewarm.ROWS, *scaling.ROWS)
#: Whose tasks a broker works off before its first figure.
WARMED_BY = {peer.broker: peer for peer in (OURS, TANSU, REDIS, RABBITMQ)}
NEEDS = f"What more requests a second need, each core in use for {100 * capacity.USE:.0f} %, on PostgreSQL"
Results = dict[str, dict[str, list[Figures | None]]]


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(prog="bin/bench app", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="of each row (7)")
    parser.add_argument("--only", metavar="ROW,…", help=f"these rows: {', '.join(names)}")
    parser.add_argument("--peers", metavar="PEER,…", help="these peers only, for a look at one thing")
    parser.add_argument("--requests", type=int, metavar="N", help="of each measurement (3000; of million: 1000000)")
    parser.add_argument("--quick", action="store_true", help="one small round: a smoke test, its figures mean nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every figure, saved after each measurement")
    parser.add_argument(
        "--from",
        dest="files",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="measure nothing, show this",
    )
    parser.add_argument(
        "--check",
        type=float,
        metavar="MARGIN",
        help="end with 1 where one of the chosen sides' targets is missed by more than this factor",
    )
    parser.add_argument("--markdown", action="store_true", help="print it as it stands in docs/performance.md")
    parser.add_argument("--write-docs", action="store_true", help="put it there, with the rows kept in docs/figures")
    args = parser.parse_args(argv)
    unknown = set((args.only or "").split(",")) - {"", *names}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))} (there are: {', '.join(names)})")
    if args.rounds < 1:
        parser.error("at least one round")
    return args


class Run:
    """`results` has what is measured until now."""

    def __init__(self, servers: Servers, args: argparse.Namespace) -> None:
        self._servers, self._scale = servers, Scale(args.quick, args.requests or 1_000_000)
        self._rounds = 1 if args.quick else args.rounds
        self._requests = args.requests or self._scale.of(3000, 200)
        wanted = args.only.split(",") if args.only else [row.name for row in ROWS if not row.slow]
        self.rows = [row for row in ROWS if row.name in wanted]
        self._only = args.peers.split(",") if args.peers else None
        self.results: Results = {
            row.name: {peer.name: [] for peer in row.peers if self._wanted(peer)} for row in self.rows
        }
        self.absent: dict[str, str] = {}
        self.used: list[str] = []

    def _wanted(self, peer: object) -> bool:
        return isinstance(peer, Side) and (self._only is None or peer.name in self._only)

    def all(self, save: Callable[[], None]) -> None:
        together = [row for row in self.rows if row in stand_rows.ROWS]
        with_brokers = [row for row in self.rows if row in together or row in scaling.ROWS]
        for broker in dict.fromkeys(side.broker for side in self._sides(with_brokers)):
            self._warm_up(broker)
        for round_ in range(1, self._rounds + 1):
            for side in self._sides(together):
                self._stand(side, [row for row in together if side in row.peers], round_)
                save()
            for row in self.rows:
                if row not in together and round_ <= (row.rounds or self._rounds):
                    for side in self._sides([row]):
                        self._alone(row, side, round_)
                        save()

    def _warm_up(self, broker: str) -> None:
        if self._scale.quick:
            return
        try:
            warm_up(self._servers, WARMED_BY[broker], self._scale)
        except (Absent, Unfinished) as reason:
            tell(f"  {reason}")

    def _sides(self, rows: Sequence[Row]) -> list[Side]:
        sides = {peer.name: peer for row in rows for peer in row.peers if self._wanted(peer)}
        return [side for side in sides.values() if isinstance(side, Side)]

    def _alone(self, row: Row, side: Side, round_: int) -> None:
        tell(f"{round_}/{self._rounds} {row.name}, {side.title}")
        figures: Figures | None = None
        try:
            figures = row.measure(self._servers, side, self._scale)
            _tell(row, figures)
        except Absent as reason:
            tell(f"  {reason}")
            self.absent[side.name] = str(reason)
            return
        except Unfinished as reason:
            tell(f"  {reason}")
        self.results[row.name][side.name].append(figures)

    def _stand(self, side: Side, rows: list[Row], round_: int) -> None:
        """All rows on one start of a side."""
        if side.name in self.absent:
            return
        tell(f"{round_}/{self._rounds} {side.title}")
        found: dict[str, Figures | None] = dict.fromkeys((row.name for row in rows), None)
        try:
            with Stand(self._servers, side, self._requests) as stand:
                for row in rows:
                    found[row.name] = figures = row.measure(stand, self._scale)
                    _tell(row, figures)
            self.used = list(dict.fromkeys([*self.used, side.broker]))
        except Absent as reason:
            tell(f"  {reason}")
            self.absent[side.name] = str(reason)
            return
        except Unfinished as reason:
            tell(f"  {reason}")
        for row in rows:
            self.results[row.name][side.name].append(found[row.name])


def _tell(row: Row, figures: Figures) -> None:
    tell(f"  {row.name}: {', '.join(f'{key} {number(value)}' for key, value in figures.items())}")


def main(argv: Sequence[str]) -> int:
    args = arguments(argv)
    outcome = Outcome.load(args.files) if args.files else measure(args)
    if args.write_docs:
        outcome = outcome.keep(KEPT)
    rows = [(row, outcome.rows[row.name]) for row in ROWS if row.name in outcome.rows]
    page = report.markdown(outcome.machine, rows, outcome.absent)
    text = report.text(outcome.machine, rows, outcome.absent)
    if needs := capacity.needs(outcome.rows):
        page += f"\n\n### {NEEDS}\n\n{report.as_markdown(needs)}"
        text += f"\n\n{NEEDS}\n{report.as_text(needs)}"
    if args.write_docs:
        pictures = plots.save(rows, IMAGES, "bench")
        shown = "\n".join(f"![{path.stem}]({path.relative_to(PAGE.parent)})" for path in pictures)
        report.write_docs(f"{page}\n\n{shown}", PAGE, MARK)
        tell(f"written to {PAGE}")
    print(page if args.markdown else text)
    return 1 if args.check and missed(rows, args.check) else 0


def missed(rows: Sequence[tuple[Row, Mapping[str, Rounds]]], margin: float) -> bool:
    """Names the targets that are; those of sides that were not chosen are left out."""
    found = [
        f"{row.name}: {target.key}"
        for row, results in rows
        for target in row.targets
        if {target.peer, target.against or target.peer} <= set(results) and target.missed(results, margin)
    ]
    for line in found:
        print(f"missed by more than {margin:g} times: {line}", file=sys.stderr)
    return bool(found)


def measure(args: argparse.Namespace) -> Outcome:
    load = f"load average before the run {os.getloadavg()[0]:.1f}; medians of {args.rounds} rounds (lowest–highest)"
    if args.quick:
        load = "--quick: these figures mean nothing"
    with Servers() as servers:
        run = Run(servers, args)

        def outcome() -> Outcome:
            facts = [*report.machine(run.used), *servers.databases(), load]
            return Outcome(facts, run.absent, run.results)

        def save() -> None:
            if args.json:
                outcome().save(args.json)

        try:
            run.all(save)
        except KeyboardInterrupt:
            tell("stopped; what follows is what was measured until now")
        return outcome()
