"""python -m tests.bench NAME …, which bin/bench calls."""

import signal
import sys

from . import admin, posts, transport
from .service import run as app

MEASURED = {"transport": transport.main, "app": app.main, "admin": admin.main, "posts": posts.main}
USAGE = f"Usage: bin/bench {' | '.join(MEASURED)} [--help]"


def interrupt(signum: int, _: object) -> None:
    """As Ctrl-C: servers and workers are stopped, and what is measured is shown."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    if sys.argv[1:2] and sys.argv[1] in MEASURED:
        sys.exit(MEASURED[sys.argv[1]](sys.argv[2:]))
    print(USAGE, file=sys.stderr)
    sys.exit(0 if sys.argv[1:] in (["-h"], ["--help"]) else 2)
