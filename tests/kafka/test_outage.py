"""A broker that goes and comes back: what the log says of it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.kafka.conftest import TANSU_OPTIONS
from tests.kafka.rig import Rig
from tests.servers import start_tansu


def test_a_broker_that_goes_and_comes_back_is_one_line_each(redis_server: str, name: str, tmp_path: Path) -> None:
    broker = start_tansu()
    rig = Rig(f"kafka://{broker.address}", TANSU_OPTIONS, redis_server, name, tmp_path)
    worker = rig.start("w1", "-E")
    try:
        rig.wait_member("w1")
        broker.kill()
        # The session's end: by then each of the worker's clients has tried the broker a hundred times.
        rig.wait_for(lambda: f"{name}: lost" in rig.log("w1"))
        broker.start()
        rig.wait_for(lambda: "is back after" in rig.log("w1"))
    finally:
        rig.kill(worker)
        broker.stop()
        rig.app.close()
    about = re.findall(r"\] (broker .*)", rig.log("w1"))
    assert len(about) == 2, about
    assert about[0].startswith(f"broker {broker.address} is away (Connection refused)")
    assert about[1].startswith(f"broker {broker.address} is back after ")
    assert rig.log("w1").count("refused") == 1
    assert rig.log("w1").count("not sent to") <= 1
