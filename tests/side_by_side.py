"""All tests in two lots side by side: most of the time they wait for processes. What bin/test runs.

The transport's tests need no database, so that each lot can have its own order of the others: those that empty the
database come last in it. Usage: python -m tests.side_by_side [arguments of pytest, no paths]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

TRANSPORT = "tests/kafka"
LOTS = (["tests", f"--ignore={TRANSPORT}"], [TRANSPORT])
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
NO_TESTS = 5


def main(arguments: list[str]) -> int:
    """The first exit status that isn't 0. The first lot is seen as it runs, the other one's output after it."""
    with tempfile.TemporaryFile() as later:
        outputs = (None, later)
        lots = [
            subprocess.Popen([*PYTEST, *lot, *arguments], stdout=out, stderr=out)
            for lot, out in zip(LOTS, outputs, strict=True)
        ]
        statuses = [_ended(lot) for lot in lots]
        later.seek(0)
        sys.stdout.flush()
        sys.stdout.buffer.write(later.read())
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
