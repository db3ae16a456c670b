"""What the run does at the moment, on stderr: results go to stdout."""

from __future__ import annotations

import sys
import time

_begun = time.monotonic()


def tell(text: str) -> None:
    seconds = round(time.monotonic() - _begun)
    print(f"[{seconds // 60:3d}:{seconds % 60:02d}] {text}", file=sys.stderr, flush=True)
