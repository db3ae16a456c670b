"""python -m tests.bench transport | app …, which bin/bench calls."""

import signal
import sys

from . import transport
from .service import run as app

COMMANDS = {"transport": transport.main, "app": app.main}


def interrupt(signum: int, _: object) -> None:
    """As Ctrl-C: servers and workers are stopped, and what is measured is shown."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    command = COMMANDS.get(sys.argv[1]) if sys.argv[1:] else None
    if command is None:
        print("Usage: bin/bench transport [--help] | app [--help]", file=sys.stderr)
        sys.exit(2 if sys.argv[1:] not in (["-h"], ["--help"]) else 0)
    sys.exit(command(sys.argv[2:]))
