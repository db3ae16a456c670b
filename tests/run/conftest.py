"""bin/run with real processes, in a copy of the project of its own, in the environment that these tests run in."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

from project.local import leftovers, ports

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("bin", "deploy", "notifier", "project", "rates", "manage.py")
START_SECONDS = 300
# Nothing listens there: the Bank of Russia can't be asked, as on a machine without internet.
NO_CBR = "http://127.0.0.1:9/scripts/"


class Run:
    """One bin/run in a folder; what it prints is kept."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [str(folder / "bin" / "run"), *arguments],
            env={**clean, "VENV_DIR": sys.prefix, "CBR_URL": NO_CBR, "PORT": str(ports.free_port()), **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def line(self, part: str, timeout: float = START_SECONDS) -> str:
        """The first line with this text, once it is printed."""

        def found() -> list[str]:
            return [line for line in self.lines if part in line]

        with self._news:
            self._news.wait_for(lambda: found() or not self._reader.is_alive(), timeout)
            assert found(), f"no line with {part!r} in:\n{self.output}"
            return found()[0]

    def ready(self) -> "Run":
        self.line("Ctrl-C stops all of it")
        return self

    @property
    def page(self) -> str:
        """The page's address, as it is printed; it ends with a slash."""
        return self.line("  Page ").split()[-1]

    def ask(self, code: str, telegram_id: int, path: str = "api/v1/rate-requests/") -> str:
        """The status URL of a new request."""
        body: dict[str, str | int] = {"currency_char_code": code, "telegram_id": telegram_id}
        answer = requests.post(f"{self.page}{path}", json=body, timeout=30)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["status_url"])

    def end(self, signum: int = signal.SIGINT) -> int:
        self.process.send_signal(signum)
        return self.ended()

    def ended(self, timeout: float = START_SECONDS) -> int:
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        return code

    def processes(self) -> dict[int, str]:
        """Every process that was started for this folder: its id and command."""
        found = {}
        for process in psutil.process_iter():
            try:
                if leftovers.MARK in process.environ() and Path(process.cwd()).is_relative_to(self.folder):
                    found[process.pid] = " ".join(process.cmdline())
            except psutil.Error:  # ended meanwhile, or another user's
                continue
        return found


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes a folder with the project in it as after a clone; its name has a blank and is long."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("checkout") / f"a clone {'x' * 60}"
        folder.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name)  # with what is compiled: it saves each part a second
            else:
                shutil.copy2(source, folder / name)
        return folder

    return make


@pytest.fixture
def start() -> Iterator[Callable[..., Run]]:
    """Starts bin/run as often as asked for; none is left at the end of the test."""
    runs: list[Run] = []

    def make(folder: Path, *arguments: str, **settings: str) -> Run:
        runs.append(Run(folder, *arguments, **settings))
        return runs[-1]

    yield make
    for run in runs:
        if run.process.poll() is None:
            run.end(signal.SIGTERM)
