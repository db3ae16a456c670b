"""Who may import whom: read from the files, so that an import inside a function counts as well."""

import ast
import gc
from collections.abc import Iterator
from pathlib import Path

# Where the notifier has itself called by the rates.
HOOKS = ("rates.tasks.before_fetch",)
# What the rates offer to others.
DOOR = (
    *("rates.quotes", "rates.tasks.fetch_rate", "rates.changes", "rates.conversion", "rates.points", "rates.charts"),
    *("rates.status", "rates.schedule", "rates.catalogue", "rates.cbr.CbrUnavailable"),
)
ROOT = Path(__file__).resolve().parents[2]


def imported(folder: str) -> Iterator[tuple[str, str]]:
    """(file, absolute dotted name) of every import below a folder."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        package = path.relative_to(ROOT).with_suffix("").parts[:-1]
        for node in ast.walk(parsed(path)):
            for name in names(node, package):
                yield str(path.relative_to(ROOT)), name


def parsed(path: Path) -> ast.Module:
    """Without the garbage collector: one that runs in the middle makes ast.parse fail on some Pythons
    (https://github.com/python/cpython/issues/106905)."""
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        gc.enable()


def names(node: ast.AST, package: tuple[str, ...]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else ()
        module = ".".join([*base, *([node.module] if node.module else [])])
        return [f"{module}.{alias.name}" for alias in node.names]
    return []


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_the_reader_of_imports_sees_some() -> None:
    found = set(imported("notifier"))
    assert ("notifier/dispatch.py", "rates.tasks.fetch_rate") in found
    assert len(found) > 100


def test_rates_know_nothing_of_who_is_told() -> None:
    assert not [one for one in imported("rates") if within(one[1], "notifier", "aiogram")]


def test_the_notifier_uses_only_the_public_door_of_rates() -> None:
    inside = [one for one in imported("notifier") if within(one[1], "rates")]
    assert inside
    assert not [one for one in inside if not within(one[1], *DOOR, *HOOKS)]


def test_the_transport_knows_no_django() -> None:
    forbidden = (
        "django",
        "rest_framework",
        "prometheus_client",
        "rates",
        "notifier",
        "project.settings",
        "project.celery",
    )
    assert not [one for one in imported("project/kafka") if within(one[1], *forbidden)]


def test_only_the_transport_knows_kafkas_client() -> None:
    others = [*imported("rates"), *imported("notifier"), *imported("project")]
    strangers = [one for one in others if within(one[1], "confluent_kafka")]
    assert {Path(file).parts[:2] for file, _ in strangers} <= {("project", "kafka")}


def test_the_project_can_be_imported_without_django() -> None:
    assert (ROOT / "project/__init__.py").read_text() == ""
