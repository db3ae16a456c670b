"""What the tests of the pages share."""

import pytest

from project import glance
from rates.sheets import parse_sheet
from rates.store import save_sheet
from tests.standins.cbr import recorded_sheets


@pytest.fixture(autouse=True)
def asked_anew() -> None:
    """What one test was told is nothing to another."""
    glance.forget()


@pytest.fixture
def stored(db: None) -> None:
    save_sheet(parse_sheet(recorded_sheets()[max(recorded_sheets())]))
