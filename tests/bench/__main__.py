"""python -m tests.bench transport …, which bin/bench calls."""

import signal
import sys

from . import transport


def interrupt(signum: int, _: object) -> None:
    """As Ctrl-C: servers and workers are stopped, and what is measured is shown."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    if sys.argv[1:2] != ["transport"]:
        print("Usage: bin/bench transport [--help]", file=sys.stderr)
        sys.exit(2 if sys.argv[1:] not in (["-h"], ["--help"]) else 0)
    sys.exit(transport.main(sys.argv[2:]))
