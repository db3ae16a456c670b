"""The transport as a wheel: built, installed in an environment of its own, used by an application without Django."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import start_tansu

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    env = {**os.environ, "VENV_DIR": sys.prefix}
    told = subprocess.run([ROOT / "bin/wheel", folder], env=env, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return Path(told.stdout.strip())


def test_it_has_the_transport_and_takes_no_other_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        texts = {name: archive.read(name).decode() for name in names if name.endswith(".py")}
    sources = {file.name for file in (ROOT / "project/kafka").glob("*.py")}
    assert {name for name in names if ".dist-info/" not in name} == {
        f"celery_kafka_transport/{name}" for name in {*sources, "py.typed"}
    }
    assert not [name for name, text in texts.items() if "project." in text or "import django" in text]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the wheel, and what it needs lent by these tests' environment."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, with_pip=False)
    (python,) = folder.glob("lib/python3*/site-packages")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(folder), "install", "-q", "--no-deps", "--no-index", str(wheel)],
        check=True,
    )
    # All that is installed here but the project itself.
    for lent in Path(sysconfig.get_path("purelib")).iterdir():
        if not lent.name.startswith(("celery_kafka_rates", "__editable__")) and not (python / lent.name).exists():
            (python / lent.name).symlink_to(lent)
    return folder / "bin" / "python"


@pytest.fixture
def application(environment: Path, tmp_path: Path) -> Iterator[tuple[list[str], dict[str, str], Path]]:
    """How to start Python, in which environment and folder, so that it finds the example and a broker."""
    shutil.copy(ROOT / "docs/examples/kafka_tasks.py", tmp_path)
    server = start_tansu()
    yield [str(environment), "-m"], {"PATH": os.environ["PATH"], "BROKER": f"kafka://{server.address}"}, tmp_path
    server.stop()


def test_the_example_runs_a_task(application: tuple[list[str], dict[str, str], Path]) -> None:
    python, env, folder = application
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [*python, "celery", "-A", "kafka_tasks", "worker", "-c", "1"], env=env, cwd=folder, stdout=log, stderr=log
        )
    try:
        told = subprocess.run(
            [*python, "kafka_tasks"], env=env, cwd=folder, capture_output=True, text=True, timeout=120
        )
        assert told.stdout == "3\n", told.stderr + (folder / "worker.log").read_text()
        topics = subprocess.run(
            [*python, "celery", "-A", "kafka_tasks", "kafka", "topics"],
            env=env, cwd=folder, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert "celery" in topics.stdout, topics.stderr
    finally:
        worker.terminate()
        assert worker.wait(60) == 0
    where = "import celery_kafka_transport as t, sys; print(t.__file__, 'project' in sys.modules)"
    told = subprocess.run([python[0], "-c", where], env=env, cwd=folder, capture_output=True, text=True, check=True)
    file, has_project = told.stdout.split()
    assert Path(python[0]).parent.parent in Path(file).parents
    assert has_project == "False"
