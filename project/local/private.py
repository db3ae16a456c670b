"""Files that only their owner may read: passwords, keys, addresses with passwords in them."""

import os
import secrets
from pathlib import Path


def folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)


def write(path: Path, text: str) -> None:
    """Replace the file in one step; mode 600 from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


def secret(path: Path, length: int = 32) -> str:
    """The secret kept in the file, made at first use; about `length` * 4/3 URL-safe characters."""
    if not path.exists() or not path.read_text().strip():
        write(path, secrets.token_urlsafe(length) + "\n")
    return path.read_text().strip()
