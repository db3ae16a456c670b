"""All tests in three lots side by side: most of the time they wait for processes. What bin/test runs.

Those of the transport and of bin/run need no database here and may go apart from the others, whose own order is that
those that empty the database come last. Usage: python -m tests.side_by_side [arguments of pytest, no paths]
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile

TRANSPORT, RUN = "tests/kafka", "tests/run"
# Brokers that go and come back, long waits, kombu's own tests: minutes in which little is computed.
SLOW = [f"{TRANSPORT}/test_{name}.py" for name in ("outage", "cluster", "delay", "storm", "kombu_suite")]
LOTS = (
    ["tests", f"--ignore={TRANSPORT}", f"--ignore={RUN}"],
    [TRANSPORT, *(f"--ignore={path}" for path in SLOW)],
    [RUN, *SLOW],
)
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
