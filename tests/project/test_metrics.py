"""What Prometheus is told: counts of several processes, dead ones too, and the state of the whole service."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families

from notifier import requests
from notifier.models import RateRequest
from project.kafka import meter
from project.metrics import files
from project.metrics.transport import PrometheusMeter

ROOT = Path(__file__).resolve().parents[2]
# Counts in three processes: one that has ended long ago, one that forks, its child.
COUNTING = """
import os
from prometheus_client import Counter, Gauge, Histogram
counter = Counter("things", "Things.", ["kind"])
level = Gauge("level", "A level.", multiprocess_mode="livesum")
seconds = Histogram("spell_seconds", "Spells.", buckets=(1, 10))
counter.labels("a").inc(2); level.inc(5); seconds.observe(3)
if os.fork() == 0:
    counter.labels("a").inc(3); level.inc(7); seconds.observe(20)
    os._exit(0)
os.wait()
counter.labels("b").inc()
"""


def values(registry: CollectorRegistry) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_what_the_dead_have_counted_stays_and_their_files_go(tmp_path: Path) -> None:
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", COUNTING], env=env, check=True, timeout=60)
    assert len(list(tmp_path.glob("*.db"))) == 12
    registry = CollectorRegistry()
    registry.register(files.Collector(tmp_path))
    told = values(registry)
    assert told == {
        "things_total['a']": 10.0,
        "things_total['b']": 2.0,
        "spell_seconds_bucket['1.0']": 0.0,
        "spell_seconds_bucket['10.0']": 2.0,
        "spell_seconds_bucket['+Inf']": 4.0,
        "spell_seconds_count[]": 4.0,
        "spell_seconds_sum[]": 46.0,
    }
    assert {file.name for file in tmp_path.glob("*.db")} == {"counter_dead.db", "histogram_dead.db"}
    assert values(registry) == told


def test_the_living_keep_their_files(tmp_path: Path) -> None:
    mine = tmp_path / f"gauge_livesum_{os.getpid()}.db"
    mine.touch()
    files.fold_dead(tmp_path)
    assert mine.exists()


@pytest.fixture
def counted() -> Iterator[Callable[[str, dict[str, str]], float]]:
    """How much a sample has grown since the test began."""
    before: dict[str, float] = {}
    for family in REGISTRY.collect():
        for sample in family.samples:
            before[f"{sample.name}{sample.labels}"] = sample.value

    def grown(name: str, labels: dict[str, str]) -> float:
        return (REGISTRY.get_sample_value(name, labels) or 0.0) - before.get(f"{name}{labels}", 0.0)

    yield grown


def test_a_request_is_counted_by_the_name_of_its_address(counted: Callable[..., float]) -> None:
    Client().get("/api/v1/")
    Client().get("/nothing/of/the/kind")
    assert counted("web_requests_total", {"view": "api-root", "method": "GET", "status": "200"}) == 1
    assert counted("web_requests_total", {"view": "none", "method": "GET", "status": "404"}) == 1
    assert counted("web_request_seconds_count", {"view": "api-root"}) == 1


@pytest.mark.django_db
def test_each_end_of_a_request_is_counted_once(counted: Callable[..., float]) -> None:
    row = requests.accept("USD", 42)
    for _ in range(2):
        requests.fail(row.pk, "blocked", "…")
    requests.accept_again(row.pk)
    for _ in range(2):
        requests.deliver(row.pk)
    assert counted("notifier_accepted_total", {}) == 2
    assert counted("notifier_ended_total", {"outcome": "failed", "code": "blocked"}) == 1
    assert counted("notifier_ended_total", {"outcome": "delivered", "code": ""}) == 1


def test_the_transport_tells_its_meter(counted: Callable[..., float]) -> None:
    meter.use(PrometheusMeter())
    try:
        meter.count("published", "rates")
        meter.change("in_flight", "rates", 2)
        meter.change("in_flight", "rates", -1)
        meter.time("publish", "rates", 0.02)
    finally:
        meter.use(None)
    meter.count("published", "rates")
    assert counted("kafka_messages_total", {"event": "published", "topic": "rates"}) == 1
    assert counted("kafka_in_flight", {"topic": "rates"}) == 1
    assert counted("kafka_publish_seconds_count", {"topic": "rates"}) == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_state_of_the_service_is_told_without_kafka_too() -> None:
    from project.metrics.state import State

    requests.accept("USD", 42)
    registry = CollectorRegistry()
    registry.register(State())
    told = values(registry)
    assert told["notifier_unfinished['accepted']"] == RateRequest.objects.count() == 1
    assert told["notifier_oldest_unfinished_seconds[]"] >= 0
    assert told["state_known['database']"] == 1
    assert told["state_known['kafka']"] == 0  # the tests' broker is none


def test_a_source_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from project.metrics import state

    hanging = threading.Event()
    asked: list[int] = []

    def hang() -> Iterator[Metric]:
        asked.append(1)
        hanging.wait(20)
        return iter(())

    monkeypatch.setattr(state, "PATIENCE", 0.05)
    monkeypatch.setattr(state, "SOURCES", {"kafka": state.Patient(hang)})
    registry = CollectorRegistry()
    registry.register(state.State())
    try:
        assert [values(registry) for _ in range(2)] == [{"state_known['kafka']": 0.0}] * 2
        assert asked == [1]
    finally:
        hanging.set()


def expressions() -> dict[str, str]:
    """Of the alert rules and the dashboard."""
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
    found = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    dashboard: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for number, target in enumerate(panel.get("targets", [])):
            found[f"{panel['title']} {number}"] = target["expr"]
    return found


def named(expression: str) -> set[str]:
    """The metrics of an expression: what is followed by labels, a range or an operator, and is no word of PromQL."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left)\s*\([^)]*\)', " ", expression)
    return {word for word in re.findall(r"[a-z_:]+[a-z0-9_:]*(?![a-z0-9_:(])", bare) if "_" in word or word == "up"} - {
        "group_left",
        "histogram_quantile",
    }


def test_alerts_and_dashboard_ask_for_what_is_told() -> None:
    """Scraped from a run of all parts by tests/run/test_life.py, which compares with the same list."""
    asked = set().union(*(named(expression) for expression in expressions().values()))
    assert len(asked) > 12
    assert asked - {"up"} <= declared()


def declared() -> set[str]:
    """Every sample's name that the code declares."""
    import project.metrics.state
    import project.metrics.tasks
    import project.metrics.web  # noqa: F401

    text = (ROOT / "project/metrics/state.py").read_text()
    names = set(re.findall(r'GaugeMetricFamily\(\s*"(\w+)"', text))
    for family in REGISTRY.collect():
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + ending for ending in endings}
    return names


def test_the_exposition_is_prometheus_own_form() -> None:
    from prometheus_client import generate_latest

    assert list(text_string_to_metric_families(generate_latest().decode()))
