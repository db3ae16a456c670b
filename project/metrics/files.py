"""The files in which the processes of one part count (prometheus_client's multiprocess mode).

PROMETHEUS_MULTIPROC_DIR names their folder, one for each part, emptied when the part starts (`bin/start`). Each
process has files of its own, named by its id. What a process has counted must outlive it, or totals would go down,
but not its file, or a pool whose processes die would fill the disk: at each scrape the files of the dead are added to
one that is nobody's. What only the living have (gauges) goes with them.
"""

import os
import re
import threading
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector as BaseCollector

NAME = re.compile(r"(?P<kind>counter|histogram|summary|gauge_\w+)_(?P<pid>\d+)\.db")


def folder() -> Path | None:
    """None for a part of one process, which counts in its memory."""
    name = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
    return Path(name) if name else None


class Collector(BaseCollector):
    """Reads the files of all, those of the dead folded first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inner = MultiProcessCollector(None, str(folder))
        self._one_at_a_time = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        with self._one_at_a_time:
            fold_dead(self._folder)
            return list(self._inner.collect())


def fold_dead(folder: Path) -> None:
    """Add what processes that have ended had counted to `<kind>_dead.db`, and remove their files."""
    for path in sorted(folder.glob("*.db")):
        found = NAME.fullmatch(path.name)
        if found is None or _lives(int(found["pid"])):
            continue
        if not found["kind"].startswith("gauge"):
            _add(path, folder / f"{found['kind']}_dead.db")
        path.unlink()


def _add(source: Path, target: Path) -> None:
    kept = MmapedDict(str(target))
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(source)):
            before, _ = kept.read_value(key)
            kept.write_value(key, before + value, 0.0)
    finally:
        kept.close()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process: ours has ended, and its number was given away
        return False
    return True
