"""What bin/run prints."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def say(line: str = "") -> None:
    print(line, flush=True)


@contextmanager
def step(name: str, where: str) -> Iterator[list[str]]:
    """A line that says what is being started, and then that it is there; takes up what is put into the list."""
    tty = sys.stdout.isatty()
    if tty:
        print(f"  … {name:9} {where}", end="", flush=True)
    told: list[str] = []
    try:
        yield told
    except BaseException:
        if tty:
            print(flush=True)
        raise
    more = "".join(f"; {text}" for text in told if text)
    say(f"{chr(13) if tty else ''}  ✓ {name:9} {where}{more}")
