"""The short form of bin/storm: workers are killed again and again while tasks are published, and none is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.storm import report
from tests.storm.storm import Plan, Storm


@pytest.mark.kafka
def test_a_storm_of_kills_loses_nothing(
    kafka: tuple[str, dict[str, Any]], redis_server: str, name: str, tmp_path: Path
) -> None:
    url, options = kafka
    plan = Plan(
        messages=3000,
        workers=3,
        partitions=8,
        restarts=3,
        life=1.0,
        task=0.002,
        patience=60.0,
        # A short session shortens the wait for the dead. Taken for dead by mistake, a worker repeats: none is lost.
        options={**options, "session_timeout": 3.0},
    )
    outcome = Storm(plan, url.removeprefix("kafka://"), redis_server, name, tmp_path).run()
    assert outcome.kills == 9
    assert outcome.good, report.text(outcome)
