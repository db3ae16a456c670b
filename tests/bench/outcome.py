"""What a run measured, kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .rows import Figures


@dataclass(frozen=True)
class Outcome:
    """What a run, or several of them, measured; `machine` says on what."""

    machine: list[str]
    absent: dict[str, str]
    rows: dict[str, dict[str, list[Figures | None]]]

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    def keep(self, folder: Path) -> Outcome:
        """Put each row in a file of its own there, in place of what an earlier run measured of it; returns all of
        them."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, rounds in self.rows.items():
            Outcome(self.machine, self.absent, {name: rounds}).save(folder / f"{name}.json")
        return self.load(sorted(folder.glob("*.json")))

    @classmethod
    def load(cls, paths: Sequence[Path]) -> Outcome:
        """Of several files the later ones' rows come before the earlier ones'; what isn't true of all of the runs is
        said of the rows that it is true of."""
        parts = [cls(**json.loads(path.read_text())) for path in paths]
        source = {name: number for number, part in enumerate(parts) for name in part.rows}
        true_of: dict[str, list[str]] = {}
        for number, part in enumerate(parts):
            for fact in part.machine:
                true_of.setdefault(fact, []).extend(name for name in part.rows if source[name] == number)
        machine = [
            fact if len(rows) == len(source) else f"{', '.join(f'`{row}`' for row in rows)}: {fact}"
            for fact, rows in true_of.items()
            if rows
        ]
        absent = {peer: why for part in parts for peer, why in part.absent.items()}
        return cls(machine, absent, {name: rounds for part in parts for name, rounds in part.rows.items()})
