"""Hosts for the service's processes: network namespaces on one bridge, so that each can be cut off by its cable.

They are namespaces of this process and its children: the machine's own network and mounts are left alone, and all of it
ends with the last process in it, also after kill -9.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
#: Of no real network: nothing leads out of the namespaces.
ADDRESSES, HUB = "10.99.0.{}", 1
_libc = ctypes.CDLL(None, use_errno=True)


class NotAllowed(Exception):
    """This machine gives no namespaces; the message says why."""


class Host:
    """This machine itself: it can't be cut off."""

    address = "127.0.0.1"

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What is started by this thread meanwhile runs on that host; so do sockets that are opened."""
        yield


class Namespace(Host):
    """A host of its own, joined to the bridge of the others."""

    def __init__(self, name: str, number: int) -> None:
        self.address, self._name, self._cable = ADDRESSES.format(number), name, f"port{number}"
        _ip("netns", "add", name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", self._cable, "master", "hub", "up")
        _ip("-n", name, "addr", "add", f"{self.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            _ip("-n", name, "link", "set", link, "up")

    @contextmanager
    def inside(self) -> Iterator[None]:
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        within = os.open(f"/run/netns/{self._name}", os.O_RDONLY)
        try:
            _checked(_libc.setns(within, CLONE_NEWNET))
            yield
        finally:
            _checked(_libc.setns(outside, CLONE_NEWNET))
            os.close(within)
            os.close(outside)

    def cut(self) -> None:
        """Packets to and from it vanish; nobody is told."""
        _ip("link", "set", self._cable, "down")

    def mend(self) -> None:
        _ip("link", "set", self._cable, "up")


class Network(Host):
    """The hub, where this process is. Make it before any thread is started. Raises NotAllowed."""

    address = ADDRESSES.format(HUB)

    def __init__(self) -> None:
        if not shutil.which("ip"):
            raise NotAllowed("no ip: apt install iproute2")
        if os.geteuid():
            raise NotAllowed("only root may make network namespaces")
        try:
            _checked(_libc.unshare(CLONE_NEWNET | CLONE_NEWNS))
            # From here on mounts are ours alone.
            _run("mount", "--make-rprivate", "/")
            Path("/run/netns").mkdir(exist_ok=True)
            # What libfaketime leaves in shared memory when its process is killed goes with them.
            for folder in ("/run/netns", "/dev/shm"):
                _run("mount", "-t", "tmpfs", "none", folder)
            _ip("link", "set", "lo", "up")
            _ip("link", "add", "hub", "type", "bridge")
            _ip("addr", "add", f"{self.address}/24", "dev", "hub")
            _ip("link", "set", "hub", "up")
        except OSError as error:
            raise NotAllowed(str(error)) from error
        self._hosts = 0

    def host(self, name: str) -> Namespace:
        self._hosts += 1
        return Namespace(name, HUB + self._hosts)


def small_disk(folder: Path, megabytes: int) -> None:
    """A file system of that size at `folder`; only the processes of these namespaces see it."""
    folder.mkdir(parents=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder))


def remove(disk: Path) -> None:
    """Its folder can be removed then."""
    _run("umount", str(disk))


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> None:
    """Raises OSError with what the command said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


def _checked(status: int) -> None:
    if status:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
