"""The service's processes, started as bin/run starts them, and restarted when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from project.local import children, http
from tests.chaos.network import Host

ROOT = Path(__file__).resolve().parents[2]
#: Between a part's death and its restart, in seconds.
RESTART_PAUSE = 0.5
READY_SECONDS = 120.0
#: For an ordered stop, in seconds.
STOP_SECONDS = 45.0


@dataclass(frozen=True)
class Place:
    """What is started, with which environment, on which host."""

    command: Sequence[str]
    environment: Mapping[str, str]
    host: Host


class Part:
    """One process with its children, in its lives one after the other."""

    def __init__(self, name: str, place: Place, folder: Path) -> None:
        self.name, self._place = name, place
        self.ready_file, self._log = folder / f"{name}.ready", folder / f"{name}.log"
        self.restarts = -1
        #: Of those that end with a restart, in seconds.
        self.longest_stop = 0.0
        self.start()

    def start(self) -> None:
        self.restarts += 1
        self.ready_file.unlink(missing_ok=True)
        with self._log.open("ab") as log, self._place.host.inside():
            self.process: subprocess.Popen[Any] = children.spawn(
                self._place.command,
                at_parent_death=signal.SIGKILL,
                env={**self._place.environment, "READY_FILE": str(self.ready_file)},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # As under bin/run, which starts all parts in one session.
                start_new_session=False,
                process_group=0,
            )

    def send(self, signum: signal.Signals) -> None:
        """To all of its processes at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signum)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """SIGTERM; its keeper starts it again."""
        process, begun = self.process, time.monotonic()
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        self.longest_stop = max(self.longest_stop, time.monotonic() - begun)

    def kill_child(self) -> None:
        """One process of a worker's pool."""
        pool = psutil.Process(self.process.pid).children()
        if pool:
            pool[0].kill()


class Parts:
    """All of them, with a thread that restarts what has died."""

    def __init__(self, places: Mapping[str, Place], folder: Path) -> None:
        self.all = {name: Part(name, place, folder) for name, place in places.items()}
        # The keeper stays until all have ended: the kernel kills what a thread has started when that thread ends.
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._restarting = threading.Lock()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def __getitem__(self, name: str) -> Part:
        return self.all[name]

    def wait_ready(self, url: str) -> None:
        """Raises children.NotReady."""
        for part in self.all.values():
            is_ready = part.ready_file.exists if part.name != "web" else lambda: http.answers(f"{url}/api/v1/")
            children.wait_ready(part.process, is_ready, part.name, READY_SECONDS)

    def stop(self) -> dict[str, float]:
        """SIGTERM to each; how many seconds it took to end, or NaN for one that was killed after STOP_SECONDS."""
        with self._restarting:
            self._stopping.set()
        begun, took = time.monotonic(), dict.fromkeys(self.all, float("nan"))
        for part in self.all.values():
            part.process.terminate()
        while time.monotonic() - begun < STOP_SECONDS and any(took[name] != took[name] for name in took):
            for name, part in self.all.items():
                if took[name] != took[name] and part.process.poll() is not None:
                    took[name] = time.monotonic() - begun
            time.sleep(0.02)
        for part in self.all.values():
            part.kill()
        self._ended.set()
        self._keeper.join()
        return took

    def _keep(self) -> None:
        while not self._ended.wait(0.1):
            for part in self.all.values():
                if not self._stopping.is_set() and part.process.poll() is not None:
                    self._stopping.wait(RESTART_PAUSE)
                    self._start_again(part)

    def _start_again(self, part: Part) -> None:
        with self._restarting:
            if not self._stopping.is_set():
                part.send(signal.SIGKILL)  # what is left of its pool
                part.start()
