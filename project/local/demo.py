"""bin/run --demo: one request through the real API, and what became of it."""

import datetime
import json
import time
from collections.abc import Callable
from typing import Any

from project.local import http
from project.local.terminal import say

BOUND_SECONDS = 60
PAUSE_SECONDS = 0.05
ENDED = ("delivered", "failed")
STEPS = {
    "accepted_at": "accepted by the API",
    "fetching_at": "a worker fetches the rate",
    "notifying_at": "the sheet has answered, a worker tells it",
    "finished_at": "{status}",
}


def run(url: str, code: str, telegram_id: int, token: str, check: Callable[[], None]) -> bool:
    """Whether the text was delivered; `check` may raise to end the wait. Raises OSError where the API itself fails.

    The request is the token's, so that its text can be read.
    """
    body = {"currency_char_code": code, "telegram_id": telegram_id}
    address = f"{url}/api/v1/rate-requests/"
    say(f"POST {address}\n     {json.dumps(body)}")
    accepted = http.post(address, body, token)
    say(f"GET  {accepted['status_url']}")
    request = _wait(accepted["status_url"], token, check)
    _timeline(request)
    if request["status"] == "delivered":
        say("\nThe delivered text:\n")
        say("\n".join(f"    {line}" for line in request["text"].splitlines()))
        return True
    if request["status"] == "failed":
        say(f"\nNot delivered: {request['error']['message']}")
    else:
        say(f"\nNot delivered within {BOUND_SECONDS} s: it is still {request['status']}.")
    return False


def _wait(status_url: str, token: str, check: Callable[[], None]) -> dict[str, Any]:
    deadline = time.monotonic() + BOUND_SECONDS
    while True:
        request = http.get(status_url, token)
        if request["status"] in ENDED or time.monotonic() > deadline:
            return request
        check()
        time.sleep(PAUSE_SECONDS)


def _timeline(request: dict[str, Any]) -> None:
    times = {name: datetime.datetime.fromisoformat(at) for name, at in request["times"].items() if at}
    start = times["accepted_at"]
    say(f"\n  {start:%H:%M:%S.%f} UTC")
    for name, words in STEPS.items():
        if name in times:
            seconds = (times[name] - start).total_seconds()
            say(f"  {seconds:+8.3f} s  {words.format(**request)}")
    for step, count in request["attempts"].items():
        if count > 1:
            say(f"              ({step}: {count} attempts)")
