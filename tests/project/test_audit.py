"""bin/audit never says that it has passed where nobody was asked."""

import json
from typing import Any

import pytest

from project.local import audit

KNOWN = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"], "aliases": []}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "code", "word"),
    [
        ([KNOWN], 0, "no known"),
        ([KNOWN, BAD], 1, "b 1: PYSEC-1, mended in 2"),
        ([BAD, UNKNOWN], 1, "PYSEC-1"),
        ([KNOWN, UNKNOWN], audit.NOT_RUN, "in part only: nothing is known of c"),
        ([UNKNOWN], audit.NOT_RUN, "not run"),
        ([], audit.NOT_RUN, "not run"),
    ],
)
def test_the_verdict(packages: list[dict[str, Any]], code: int, word: str) -> None:
    told = audit.verdict(audit.Report.read(json.dumps({"dependencies": packages})))
    assert told[0] == code
    assert word in told[1][0]
