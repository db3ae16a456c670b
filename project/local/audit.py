"""bin/audit: what pip-audit says of requirements.lock, and whether it could say anything at all.

pip-audit ends with 0 and "No known vulnerabilities found" also where the service knew none of the packages, as behind a
mirror without advisories. So its report is read: only packages that were looked up count.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

# sysexits.h: EX_UNAVAILABLE.
NOT_RUN = 69
SECONDS = 300
COMMAND = ["--requirement", "requirements.lock", "--disable-pip", "--no-deps", "--progress-spinner", "off"]


@dataclass
class Report:
    audited: int = 0
    skipped: list[str] = field(default_factory=list)
    vulnerable: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, text: str) -> "Report":
        """Of pip-audit's JSON. Raises ValueError for anything else."""
        report = cls()
        for package in json.loads(text)["dependencies"]:
            report._add(package)
        return report

    def _add(self, package: dict[str, Any]) -> None:
        if "skip_reason" in package:
            self.skipped.append(package["name"])
            return
        self.audited += 1
        for found in package["vulns"]:
            fixed = ", ".join(found["fix_versions"]) or "no version yet"
            self.vulnerable.append(f"{package['name']} {package['version']}: {found['id']}, mended in {fixed}")


def verdict(report: Report) -> tuple[int, list[str]]:
    """The exit code, and what to say."""
    if report.vulnerable:
        return 1, report.vulnerable
    if not report.audited:
        return NOT_RUN, ["not run: the advisory service knows none of the packages"]
    if report.skipped:
        return NOT_RUN, [f"run in part only: nothing is known of {', '.join(report.skipped)}"]
    return 0, [f"no known vulnerability in {report.audited} packages"]


def main() -> int:
    try:
        told = subprocess.run(
            [sys.executable, "-m", "pip_audit", "--format", "json", *COMMAND, *sys.argv[1:]],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        code, lines = verdict(Report.read(told.stdout))
    except (ValueError, KeyError):
        code, lines = NOT_RUN, [f"not run: {told.stderr.strip().splitlines()[-1:]}"]
    except subprocess.TimeoutExpired:
        code, lines = NOT_RUN, [f"not run: no answer within {SECONDS} s"]
    for line in lines:
        print(f"bin/audit: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
