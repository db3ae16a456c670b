"""bin/setup's choice of a Python, on machines made of a few programs; what is missing is one line that says so."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = "bash cat cut dirname env flock grep head mkdir readlink rm sha256sum tail".split()
PYTHON = """#!/bin/sh
case "$2" in
    *version_info*) echo {version} ;;
    *ensurepip*) exit {no_venv} ;;
    *) echo "{version} $*" >>"$TRIED"; exit 1 ;;
esac
"""


class Machine:
    def __init__(self, folder: Path) -> None:
        self.folder, self.path, self.tried = folder / "clone", folder / "path", folder / "tried"
        (self.folder / "bin").mkdir(parents=True)
        self.path.mkdir()
        shutil.copy2(ROOT / "bin" / "setup", self.folder / "bin")
        for tool in TOOLS:
            (self.path / tool).symlink_to(shutil.which(tool) or "missing")
        self.add("uname", "#!/bin/sh\n[ $1 = -s ] && echo Linux || echo x86_64\n")

    def add(self, name: str, script: str) -> None:
        (self.path / name).write_text(script)
        (self.path / name).chmod(0o755)

    def add_python(self, name: str, version: str, venv: bool = True) -> None:
        self.add(name, PYTHON.format(version=version, no_venv=0 if venv else 1))

    def setup(self, **settings: str) -> str:
        """The line that it ends with; every machine here lacks something, at the latest a Python that makes a venv."""
        ended = subprocess.run(
            [str(self.folder / "bin" / "setup")],
            env={"PATH": str(self.path), "TRIED": str(self.tried), "BIN_NAME": "bin/run", **settings},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (ended.returncode, ended.stdout) == (1, "")
        return ended.stderr.splitlines()[-1]

    def chosen(self, **settings: str) -> str:
        """The version of the Python that is to make the environment."""
        assert self.setup(**settings).startswith("bin/run: no virtual environment")
        version, *module = self.tried.read_text().splitlines()[-1].split()[:3]
        assert module == ["-m", "venv"]
        return version


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_no_python_that_fits(machine: Machine) -> None:
    wanted = "bin/run: Python 3.11 or 3.12 is needed (found: {}): apt install python3 python3-venv"
    assert machine.setup() == wanted.format("none")
    machine.add_python("python3", "3.10")
    assert machine.setup() == wanted.format("3.10")


def test_a_python_without_its_venv_module(machine: Machine) -> None:
    machine.add_python("python3", "3.12", venv=False)
    assert machine.setup() == "bin/run: Python 3.12 is here without its venv module: apt install python3.12-venv"
    machine.add_python("python3.11", "3.11")
    assert machine.chosen() == "3.11"


@pytest.mark.parametrize("version", ["3.11", "3.12"])
def test_the_machines_own_python_comes_first(machine: Machine, version: str) -> None:
    machine.add_python("python3", version)
    machine.add_python("python3.11", "3.11")
    assert machine.chosen() == version


def test_python_3_13_needs_a_redis_server(machine: Machine) -> None:
    machine.add_python("python3", "3.13")
    assert machine.setup() == "bin/run: with Python 3.13 a redis-server is needed: apt install redis-server"
    for given in ({"REDIS_URL": "redis://there"}, {"REDIS_HOST": "there"}, {"REDIS_PORT": "7000"}):
        assert machine.chosen(**given) == "3.13"
    machine.add("redis-server", "#!/bin/sh\n")
    assert machine.chosen() == "3.13"


def test_an_older_python_is_taken_where_there_is_no_redis_server(machine: Machine) -> None:
    machine.add_python("python3", "3.13")
    machine.add_python("python3.12", "3.12")
    assert machine.chosen() == "3.12"


def test_another_kind_of_machine(machine: Machine) -> None:
    machine.add("uname", "#!/bin/sh\n[ $1 = -s ] && echo Linux || echo aarch64\n")
    assert machine.setup() == (
        "bin/run: the embedded services come as wheels for x86-64 Linux, this is Linux on aarch64: "
        "use docker-compose.yml"
    )
