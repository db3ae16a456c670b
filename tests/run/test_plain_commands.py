"""Commands of the activated environment without bin/run: a missing service is named in one line each."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from project.local import ports

ROOT = Path(__file__).resolve().parents[2]


def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "ENV_FILES": "", "SECRET_KEY": "x", **settings}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """An empty database, and addresses where nobody answers."""
    return {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{ports.free_port()}",
        "REDIS_URL": f"redis://127.0.0.1:{ports.free_port()}/0",
    }


@pytest.mark.parametrize("part", ["worker", "beat"])
def test_celery_names_what_is_missing(nowhere: dict[str, str], part: str) -> None:
    ended = command("-m", "celery", "-A", "project", part, **nowhere)
    assert ended.returncode == 1
    redis, database, kafka = ended.stderr.splitlines()[-3:]
    assert redis.startswith("warning: Redis does not answer (REDIS_URL)")
    assert database.startswith("the database is not migrated: run bin/run")
    assert kafka.startswith(f"Kafka does not answer (KAFKA_BOOTSTRAP_SERVERS): {nowhere['KAFKA_BOOTSTRAP_SERVERS']}")
    assert "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.parametrize("words", ["purge -f", "call x", "inspect ping", "kafka lag"])
def test_celerys_other_commands_name_kafka_in_a_line(nowhere: dict[str, str], words: str) -> None:
    ended = command("-m", "celery", "-A", "project", *words.split(), **nowhere)
    assert ended.returncode != 0
    (line,) = ended.stderr.splitlines()
    assert nowhere["KAFKA_BOOTSTRAP_SERVERS"] in line


def test_runserver_names_what_is_missing(nowhere: dict[str, str]) -> None:
    ended = command("manage.py", "runserver", "--noreload", str(ports.free_port()), **nowhere)
    assert ended.returncode == 1
    kafka, redis, database = ended.stderr.splitlines()
    assert kafka.startswith("warning: Kafka does not answer")
    assert redis.startswith("warning: Redis does not answer")
    assert database.startswith("the database is not migrated")


def test_a_database_server_that_is_away_is_named(nowhere: dict[str, str]) -> None:
    nowhere["DATABASE_URL"] = f"postgres://u:p@127.0.0.1:{ports.free_port()}/x"
    ended = command("manage.py", "load_bundled_rates", **nowhere)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("the database does not work (DATABASE_URL): connection failed")


def test_an_unmigrated_database_is_named(nowhere: dict[str, str]) -> None:
    ended = command("manage.py", "load_bundled_rates", **nowhere)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].endswith("run bin/run, or python manage.py migrate")
    assert "Traceback" not in ended.stderr


def test_kafka_without_java_says_what_to_install(tmp_path: Path) -> None:
    """The same line is bin/test's reason for leaving real Kafka out."""
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, str(ROOT / "bin" / "kafka")], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("bin/kafka: Apache Kafka needs Java 17 or newer: apt install")
