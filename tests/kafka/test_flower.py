"""Flower, the monitor that Celery's users know, sees our workers and what becomes of their tasks."""

from __future__ import annotations

import signal
import sys

import requests

from project.local import children, ports
from tests.kafka.rig import Rig
from tests.waiting import eventually


def test_flower_shows_workers_and_tasks(rig: Rig) -> None:
    rig.start("w1", "-E")
    rig.wait_member("w1")
    port = ports.free_port()
    with (rig.logs / "flower.log").open("ab") as log:
        flower = children.spawn(
            [sys.executable, "-m", "celery", "-A", rig.module, "flower", "--address=127.0.0.1", f"--port={port}"],
            at_parent_death=signal.SIGKILL,
            env={**rig.process_environment(), "FLOWER_UNAUTHENTICATED_API": "1"},
            stdout=log,
            stderr=log,
        )
    page = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: ports.answers("127.0.0.1", port), 60)
        # It learns of a worker by events, and of what the worker is by remote control.
        eventually(lambda: "w1@test" in requests.get(f"{page}/workers", timeout=10).text, 60)
        told = requests.get(f"{page}/api/workers?refresh=1&workername=w1@test", timeout=30).json()
        assert "trace" in told["w1@test"]["registered"]
        sent = rig.trace.clone((1, 0.0)).apply_async()
        state = f"{page}/api/task/info/{sent.id}"
        eventually(lambda: (got := requests.get(state, timeout=10)).ok and got.json()["state"] == "SUCCESS", 30)
        assert sent.id in requests.get(f"{page}/task/{sent.id}", timeout=10).text
    finally:
        children.end([flower], grace=10)
