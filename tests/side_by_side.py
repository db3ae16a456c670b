"""All tests in three lots side by side: most of the time they wait for processes. What bin/test runs.

The transport's tests need no database, so that each lot can have its own order of the others: those that empty the
database come last in it. Usage: python -m tests.side_by_side [arguments of pytest, no paths]
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile

TRANSPORT = "tests/kafka"
# Brokers that go and come back, long waits, kombu's own tests: minutes in which little is computed.
SLOW = [f"{TRANSPORT}/test_{name}.py" for name in ("outage", "cluster", "delay", "storm", "kombu_suite")]
LOTS = (["tests", f"--ignore={TRANSPORT}"], [TRANSPORT, *(f"--ignore={path}" for path in SLOW)], SLOW)
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
NO_TESTS = 5


def main(arguments: list[str]) -> int:
    """The first exit status that isn't 0. The first lot is seen as it runs, the others' output after it."""
    with contextlib.ExitStack() as files:
        later = [files.enter_context(tempfile.TemporaryFile()) for _ in LOTS[1:]]
        outputs = (None, *later)
        lots = [
            subprocess.Popen([*PYTEST, *lot, *arguments], stdout=out, stderr=out)
            for lot, out in zip(LOTS, outputs, strict=True)
        ]
        statuses = [_ended(lot) for lot in lots]
        sys.stdout.flush()
        for file in later:
            file.seek(0)
            sys.stdout.buffer.write(file.read())
        sys.stdout.flush()
    return next((status for status in statuses if status not in (0, NO_TESTS)), 0)


def _ended(lot: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return lot.wait()
        except KeyboardInterrupt:
            pass  # Ctrl-C reaches the lots too: each ends what it has started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
