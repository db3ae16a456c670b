"""kombu's own integration tests pass on Apache Kafka as it is by default: each of them at once, none skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from project.local.kafka_libs import Missing
from tests.kafka.kombu_source import integration_tests
from tests.servers import start_kafka

SUITE = Path(__file__).with_name("kombu_suite.py")
ROOT = SUITE.parents[2]
SECONDS = 240
#: How many tests each class has in kombu 5.7.0.
TESTS = {
    "TestBasicFunctionality": 13,
    "TestExchangeTypes": 5,
    "TestTimeToLive": 3,
    "TestPriority": 4,
    "TestMessage": 4,
    "TestEventLoop": 1,
    "TestFailover": 17,
}


@pytest.fixture
def default_kafka() -> Iterator[str]:
    """Not the other tests' Kafka: there groups begin sooner than by default."""
    try:
        cluster = start_kafka()
    except Missing as reason:
        if os.environ.get("REQUIRE_ALL"):
            raise
        pytest.skip(f"no Apache Kafka here: {reason}")
    yield cluster.bootstrap
    cluster.stop()


@pytest.mark.kafka
@pytest.mark.timeout(2 * SECONDS)
def test_kombus_integration_tests_pass(default_kafka: str, tmp_path: Path) -> None:
    # At once, each on topics of its own: mostly they wait, for groups to begin and for messages not to come.
    runs = {name: _start(name, default_kafka, tmp_path) for name in TESTS}
    try:
        outputs = {name: run.communicate(timeout=SECONDS)[0] for name, run in runs.items()}
    finally:
        for run in runs.values():
            run.kill()
    passed = {name: _passed(tmp_path / f"{name}.xml") for name in TESTS}
    assert passed == TESTS, "\n".join(outputs[name] for name in TESTS if passed[name] != TESTS[name])


def _start(name: str, bootstrap: str, folder: Path) -> subprocess.Popen[str]:
    """One class in a pytest of its own, without our settings and plugins."""
    command = [sys.executable, "-m", "pytest", f"{SUITE}::{name}", f"--junit-xml={folder / name}.xml"]
    command += ["-c", os.devnull, "--rootdir", str(folder), "-p", "no:cacheprovider", "-p", "no:randomly"]
    environment = {
        **os.environ,
        "TEST_BROKER": bootstrap,
        "TEST_PREFIX": f"{name}.",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(integration_tests())]),
    }
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _passed(report: Path) -> int:
    suite = ElementTree.parse(report).find("testsuite")
    assert suite is not None
    return int(suite.attrib["tests"]) - sum(int(suite.attrib[kind]) for kind in ("failures", "errors", "skipped"))
