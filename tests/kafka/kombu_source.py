"""kombu's own integration tests: they come with its source distribution, not with its wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

from project.local.kafka_libs import cache_dir

MEMBER = "t/integration/common.py"
FETCH_TIMEOUT_SECONDS = 300


def integration_tests() -> Path:
    """The folder of `common.py` of the kombu that is installed; fetched by pip where it is not there yet.

    Raises CalledProcessError where pip can't fetch it. It is moved there in one step, as Kafka's jars are.
    """
    name = f"kombu-{version('kombu')}"
    folder = cache_dir().parent / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as temporary:
        made = Path(temporary) / "made"
        made.mkdir()
        (made / "common.py").write_bytes(_fetch(Path(temporary)))
        try:
            made.rename(folder)
        except OSError:  # somebody else was faster
            if not folder.is_dir():
                raise
    return folder


def _fetch(temporary: Path) -> bytes:
    requirement = f"kombu=={version('kombu')}"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "kombu", "-d", "."]
    subprocess.run(
        [*command, requirement], cwd=temporary, check=True, timeout=FETCH_TIMEOUT_SECONDS, env={**os.environ}
    )
    (archive,) = temporary.glob("kombu-*.tar.gz")
    with tarfile.open(archive) as source:
        member = source.extractfile(f"{archive.name.removesuffix('.tar.gz')}/{MEMBER}")
        assert member is not None
        return member.read()
