"""bin/bench posts: many posts from one address to bin/run with its default settings; none may get 429 or 503.

It starts a bin/run of its own in a copy of the project (the Bank can't be reached from there, messages go to its
console), or asks the one that --url names. Ends with 1 where a post got anything but 202, or was not delivered.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import local

import requests

from tests.run.conftest import COPIED, ROOT, Run

PATH = "/api/v1/rate-requests/"
CODES = ("USD", "EUR", "CNY", "KZT")
ENDED = {"delivered", "failed", "cancelled"}


class Client:
    """One address that posts and asks, over connections that stay open, one for each thread."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._own = local()

    @property
    def session(self) -> requests.Session:
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        session: requests.Session = self._own.session
        return session

    def post(self, number: int) -> tuple[int, float, str]:
        """The status, the seconds that it took, and the address that tells how far the request is."""
        body: dict[str, str | int] = {"currency_char_code": CODES[number % len(CODES)], "telegram_id": 10_000 + number}
        began = time.perf_counter()
        answer = self.session.post(f"{self.url}{PATH}", json=body, timeout=60)
        return answer.status_code, time.perf_counter() - began, answer.headers.get("Location", "")

    def status(self, address: str) -> str:
        return str(self.session.get(address, timeout=60).json()["status"])


@contextmanager
def own_run() -> Iterator[str]:
    """The address of a bin/run with nothing but its default settings, on a port that is free."""
    with tempfile.TemporaryDirectory(prefix="posts-") as folder:
        for name in COPIED:
            source, target = ROOT / name, Path(folder) / name
            shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)
        run = Run(Path(folder))
        try:
            yield run.ready().page
        finally:
            if run.process.poll() is None:
                run.end()


def measure(client: Client, posts: int, at_once: int, patience: float) -> bool:
    """Print what came of it; whether it is as it should be."""
    with ThreadPoolExecutor(at_once) as pool:
        began = time.monotonic()
        answers = list(pool.map(client.post, range(posts)))
        seconds = time.monotonic() - began
        taken = sorted(answer[1] for answer in answers)
        statuses = Counter(answer[0] for answer in answers)
        print(f"{posts} posts from one address, {at_once} at once: {seconds:.1f} s, {posts / seconds:.0f} a second")
        print("answers: " + ", ".join(f"{status} × {count}" for status, count in sorted(statuses.items())))
        print(f"429: {statuses[429]}, 503: {statuses[503]}")
        print(f"an answer took {taken[posts // 2] * 1000:.0f} ms (median), {taken[-1] * 1000:.0f} ms (longest)")
        ends = Counter[str]()
        left = [answer[2] for answer in answers if answer[0] == 202]
        while left and time.monotonic() < began + patience:
            told = list(pool.map(client.status, left))
            ends.update(status for status in told if status in ENDED)
            left = [address for address, status in zip(left, told, strict=True) if status not in ENDED]
    print(
        f"{time.monotonic() - began:.0f} s after the first post: "
        + ", ".join(f"{n} {name}" for name, n in ends.items())
    )
    return statuses == {202: posts} and ends == {"delivered": posts}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench posts", description=__doc__)
    parser.add_argument("--posts", type=int, default=5000, metavar="N", help="how many (5000)")
    parser.add_argument("--at-once", type=int, default=16, metavar="N", help="clients at the same time (16)")
    parser.add_argument("--patience", type=float, default=600, metavar="SECONDS", help="until all are delivered (600)")
    parser.add_argument("--url", help="of a bin/run that runs already; without, one is started")
    args = parser.parse_args(arguments)
    if args.url:
        return 0 if measure(Client(args.url), args.posts, args.at_once, args.patience) else 1
    with own_run() as url:
        return 0 if measure(Client(url), args.posts, args.at_once, args.patience) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
