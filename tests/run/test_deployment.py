"""docker-compose.yml, .env.example and bin/run say the same."""

import json
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

from project import confidential
from project.local.plan import Plan
from project.local.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[2]
# In containers only; on one machine bin/run does it itself.
ONE_SHOT = {"prepare"}
# Known to the machine or to other programs, not settings of ours.
FOREIGN = {"JAVA_HOME", "XDG_CACHE_HOME", "DJANGO_SETTINGS_MODULE"}


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan({"BOT_TOKEN": "1:x"}, 8000, 8000, 9092, 6379, "password", "mark", tmp_path)


def test_the_containers_run_what_bin_run_starts(services: dict[str, Any], plan: Plan) -> None:
    ours = {name: service["command"] for name, service in services.items() if "build" in service}
    assert {name: command for name, command in ours.items() if name not in ONE_SHOT} == plan.parts


def test_supervisord_starts_these_commands(plan: Plan) -> None:
    config = Supervisor(plan).config()
    commands = re.findall(r"\[program:(\S+)\]\ncommand = (.*)", config)
    assert {name: command.split() for name, command in commands if name in plan.parts} == plan.parts


def test_what_scales_has_no_name_of_its_own(services: dict[str, Any]) -> None:
    assert not [name for name, service in services.items() if "container_name" in service]


def test_images_are_pinned(services: dict[str, Any]) -> None:
    images = {service["image"] for service in services.values() if "build" not in service}
    assert images
    assert all(re.search(r":\d+\.\d+", image) for image in images)


def test_every_service_waits_for_what_it_needs_in_health(services: dict[str, Any]) -> None:
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            healthy = how["condition"] == "service_healthy"
            assert healthy == ("healthcheck" in services[needed])
            assert healthy or needed in ONE_SHOT


def test_the_example_explains_every_setting_and_no_other() -> None:
    explained = re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(explained) == len(set(explained))
    assert set(explained) == _read_by_python() | _read_by_start() | _read_by_compose()


def _read_by_python() -> set[str]:
    files = [*(ROOT / "project").rglob("*.py"), *(ROOT / "rates").rglob("*.py"), *(ROOT / "notifier").rglob("*.py")]
    text = "".join(file.read_text() for file in [*files, ROOT / "deploy" / "gunicorn.conf.py"])
    by_environ = re.findall(r"""env\.(?:str|int|bool|float|list|json|db_url)\(\s*["']([A-Z_]+)["']""", text)
    by_os = re.findall(r"""environ\.get\(\s*["']([A-Z_]+)["']""", text)
    secrets = {f"{name}_FILE" for name in confidential.NAMES}  # explained all at once
    return set(by_environ + by_os) - FOREIGN - secrets


def _read_by_start() -> set[str]:
    return set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "bin" / "start").read_text()))


def _read_by_compose() -> set[str]:
    return set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))


def test_the_defaults_it_tells_are_those_of_the_settings() -> None:
    """Of the settings that are plain numbers in project/settings.py."""
    told = dict(re.findall(r"^#([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    text = (ROOT / "project" / "settings.py").read_text()
    numbers = re.findall(r'env\.(?:int|float)\("([A-Z_]+)", default=([\d.* ]+)\)', text)
    assert len(numbers) > 5
    for name, default in numbers:
        factors = [float(factor) for factor in default.split("*")]
        value = factors[0] if len(factors) == 1 else factors[0] * factors[1]
        assert json.loads(told[name]) == value


def test_requirements_are_pinned_and_locked() -> None:
    lock = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    lock = {_normal(name): version for name, version in lock.items()}
    documented = (ROOT / "docs" / "dependencies.md").read_text()
    for file in ("requirements.txt", "requirements-otel.txt", "requirements-dev.txt"):
        for line in (ROOT / file).read_text().splitlines():
            if line and not line.startswith(("#", "-r ")):
                name, extra, version = re.fullmatch(r"([\w.-]+)(\[\w+\])?==([^;\s]+)(?:;.*)?", line).groups()  # type: ignore[union-attr]
                assert lock[_normal(name)] == version
                assert f"{name}{extra or ''}" in documented


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_environment_that_bin_setup_makes_knows_the_commands_of_kafka() -> None:
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("another environment (VENV_DIR), used just as it is")
    (command,) = (entry for entry in entry_points(group="celery.commands") if entry.name == "kafka")
    assert command.load().name == "kafka"
