"""Ports for servers that are yet to start."""

import random
import subprocess
import sys

import pytest

from project.local import ports

ONE = "from project.local import ports; print(ports.free_port(), flush=True); input()"


def test_seeding_random_numbers_gives_no_port_twice() -> None:
    random.seed(1)
    first = ports.free_port()
    random.seed(1)
    assert ports.free_port() != first


def test_of_processes_that_ask_at_once_each_has_its_own_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    few = ONE.replace("; print", "; ports.SERVER_PORTS = range(19000, 19200); print")
    processes = [
        subprocess.Popen([sys.executable, "-c", few], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    mine = []
    monkeypatch.setattr(ports, "SERVER_PORTS", range(19000, 19200))
    try:
        theirs = {process.stdout.readline().strip() for process in processes if process.stdout}
        with pytest.raises(RuntimeError, match="none of 200 ports"):
            while True:
                mine.append(str(ports.free_port()))
    finally:
        for process in processes:
            process.communicate("\n")
    assert len(theirs) == 3
    assert len(set(mine)) == len(mine) >= 100
    assert not theirs & set(mine)
    assert str(ports.free_port()) in theirs
