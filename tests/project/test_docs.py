"""What the documents name is there: tests, commands, settings, alerts."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "docs/celery-on-kafka.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()


def test_each_row_of_what_works_has_its_test() -> None:
    named = re.findall(r"(tests/[\w/]+\.py)::(test_\w+)", TABLE)
    assert len(named) > 40
    missing = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (ROOT / file).read_text()]
    assert not missing


def test_no_row_claims_something_without_a_test() -> None:
    table = TABLE.partition("## Delivery")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| what")]
    assert len(rows) > 40
    for row in rows:
        what, works, test = (cell.strip() for cell in row.strip("|").split("|"))
        assert test or works == "no", what


def test_each_alert_is_explained_and_no_other() -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    explained = re.findall(r"^\| `(\w+)` \|", OPERATIONS.partition("## What each alert means")[2], re.MULTILINE)
    assert alerts == set(explained)
    assert len(explained) == len(alerts)


@pytest.mark.parametrize("document", ["README.md", "README.ru.md", "docs/operations.md", "docs/celery-on-kafka.md"])
def test_links_lead_somewhere(document: str) -> None:
    file = ROOT / document
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", file.read_text()):
        assert (file.parent / target).exists(), target


def test_both_readmes_name_the_same_addresses_settings_folders_and_pictures() -> None:
    english, russian = ((ROOT / name).read_text() for name in ("README.md", "README.ru.md"))
    for kind in (r"^\| (`[^|]+`) *\|", r"\]\(([^)]+)\)", r"^#{2} .*?(`bin/\w+`)", r"`(/[^`]*|[A-Z_]{4,})`"):
        named = [set(re.findall(kind, text, re.MULTILINE)) for text in (english, russian)]
        assert len(named[0]) > 1
        assert named[0] - {"README.ru.md"} == named[1] - {"README.md"}, kind


def test_the_settings_that_operations_names_are_settings() -> None:
    known = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`", OPERATIONS))
    assert len(named) > 10
    assert {name if name in known else name.removesuffix("_FILE") for name in named} <= known | {
        "PROMETHEUS_MULTIPROC_DIR"
    }
