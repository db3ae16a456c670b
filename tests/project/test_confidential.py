"""Secrets from files."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from project import confidential


def test_a_secret_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("123:abc\n")
    env = {"BOT_TOKEN_FILE": str(tmp_path / "token"), "SECRET_KEY": "x", "REDIS_URL_FILE": ""}
    confidential.read_files(env)
    assert env == {"BOT_TOKEN": "123:abc", "SECRET_KEY": "x", "REDIS_URL_FILE": ""}
    confidential.read_files(env)


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"BOT_TOKEN": "y"}, "both set"), ({"BOT_TOKEN_FILE": "/nowhere"}, "can't be read"), ({}, "is empty")],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, more: dict[str, str], reason: str) -> None:
    (tmp_path / "token").write_text(" \n")
    with pytest.raises(ImproperlyConfigured, match=reason) as refused:
        confidential.read_files({"BOT_TOKEN_FILE": str(tmp_path / "token"), **more})
    assert "BOT_TOKEN_FILE" in str(refused.value)


def test_every_secret_is_known_to_be_one() -> None:
    given = {
        "SECRET_KEY": "key-1",
        "BOT_TOKEN": "123:token-2",
        "ADMIN_PASSWORD": "password-3",
        "DATABASE_URL": "postgres://u:p%404@db/x",
        "REDIS_URL": "rediss://:pass-5@r/0",
        "TASK_SIGNING_KEY": "key-6",
    }
    found = confidential.values(lambda name: given.get(name, ""), {"sasl.password": "pass-7", "partitions": 3})
    assert {"key-1", "123:token-2", "token-2", "password-3", "p@4", "pass-5", "key-6", "pass-7"} == set(found)
