"""Apache Kafka's jars, fetched once by Maven into the user's cache."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "4.3.1"
DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "kafka"
FETCH_TIMEOUT_SECONDS = 600
COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class Missing(Exception):
    """Real Kafka can't run here; the message is one line that says what to install."""


def java() -> str:
    """The path of a Java that can run Kafka; raises Missing."""
    home = os.environ.get("JAVA_HOME")
    binary = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if binary is None:
        raise Missing("Apache Kafka needs Java 17 or newer: apt install openjdk-17-jre-headless")
    told = subprocess.run([binary, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    if found is None or int(found[1]) < 17:
        raise Missing(f"Apache Kafka needs Java 17 or newer, {binary} is older: apt install openjdk-17-jre-headless")
    return binary


def cache_dir() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "celery-kafka-rates" / f"kafka-{VERSION}"


def libraries() -> Path:
    """The folder of the jars; fetches them where they are not there yet. Raises Missing.

    They are fetched beside it and moved there in one step, so an interrupted or a concurrent call does no harm.
    """
    folder = cache_dir()
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing("Apache Kafka's jars are fetched by Maven: apt install maven")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as temporary:
        fetched = Path(temporary) / "libs"
        _copy_jars(maven, fetched)
        try:
            fetched.rename(folder)
        except OSError:  # somebody else was faster
            if not folder.is_dir():
                raise
    return folder


def _copy_jars(maven: str, into: Path) -> None:
    pom = DEPLOY / "pom.xml"
    command = [maven, "-q", "-B", "-f", str(pom), COPY_JARS, f"-DoutputDirectory={into}", "-DincludeScope=runtime"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"Maven did not fetch Apache Kafka within {FETCH_TIMEOUT_SECONDS} s") from None
    if run.returncode or not list(into.glob("kafka_*.jar")):
        errors = [line for line in run.stdout.splitlines() if "ERROR" in line] or ["no jar came"]
        raise Missing(f"Maven could not fetch Apache Kafka: {errors[0][:300]}")


def main() -> str | None:
    """Fetches what is missing, so that tests don't have to; the reason why real Kafka can't run here."""
    try:
        java()
        libraries()
    except Missing as reason:
        return str(reason)
    return None


if __name__ == "__main__":
    sys.exit(main())
