"""What keeps strangers out of the web server: unsafe settings are named, headers are set, guessing is stopped."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import ERROR, WARNING, CheckMessage, run_checks
from django.test import Client, RequestFactory

from project import checks
from project.proxies import client_address

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "SECURE": "true",
    "SECRET_KEY": "k" * 30 + "0123456789-abcdefghijklmnop-xyz",
    "ALLOWED_HOSTS": "rates.example.org",
    "CSRF_TRUSTED_ORIGINS": "https://rates.example.org",
    "ADMIN_PASSWORD": "correct horse battery staple",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9093",
    "KAFKA_TRANSPORT_OPTIONS": '{"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"}',
    "REDIS_URL": "rediss://:long-password@redis:6379/0",
    "DATABASE_URL": "postgres://rates:long-password@db:5432/rates?sslmode=verify-full",
    "BOT_TOKEN": "123456:AAExampleTokenOfNobody",
}


def check_deploy(**settings: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "ENV_FILES": "", **GOOD, **settings}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_good_settings_are_clean_and_bad_ones_listed_with_hints() -> None:
    good = check_deploy()
    assert (good.returncode, good.stderr) == (0, "System check identified no issues (2 silenced).\n") or (
        good.returncode == 0 and "no issues" in good.stdout
    ), good.stderr
    bad = check_deploy(SECURE="", SECRET_KEY="", ALLOWED_HOSTS="*", DEBUG="true", ADMIN_PASSWORD="admin")
    assert bad.returncode == 1
    for number in (1, 2, 3, 5, 6):
        assert f"(project.E00{number})" in bad.stderr
    assert bad.stderr.count("HINT:") >= 5


@pytest.mark.parametrize(
    ("changes", "id_", "level"),
    [
        ({"DEBUG": True}, "project.E001", ERROR),
        ({"ALLOWED_HOSTS": ["a.example.org", "*"]}, "project.E002", ERROR),
        ({"SECRET_KEY_IS_GIVEN": False}, "project.E003", ERROR),
        ({"SECRET_KEY": "short"}, "project.E003", ERROR),
        ({"CSRF_TRUSTED_ORIGINS": ["http://a.example.org"]}, "project.E004", ERROR),
        ({"SECURE": False}, "project.E005", ERROR),
        ({"ADMIN_PASSWORD": "password"}, "project.E006", ERROR),
        ({"CELERY_BROKER_TRANSPORT_OPTIONS": {}}, "project.W001", WARNING),
        ({"REDIS_URL": "redis://:long-password@redis/0"}, "project.W002", WARNING),
        ({"REDIS_URL": "rediss://redis/0"}, "project.W002", WARNING),
        ({"TELEGRAM_API_URL": "http://bot.example.org"}, "project.W004", WARNING),
        # Django's own.
        ({"SECURE_HSTS_SECONDS": 0}, "security.W004", WARNING),
        ({"SESSION_COOKIE_SECURE": False}, "security.W012", WARNING),
        ({"CSRF_COOKIE_SECURE": False}, "security.W016", WARNING),
        ({"SECURE_SSL_REDIRECT": False}, "security.W008", WARNING),
    ],
)
def test_each_unsafe_setting_is_named(settings: Any, changes: dict[str, Any], id_: str, level: int) -> None:
    safe = {
        "DEBUG": False,
        "SECURE": True,
        "SECRET_KEY": GOOD["SECRET_KEY"],
        "SECRET_KEY_IS_GIVEN": True,
        "ALLOWED_HOSTS": ["rates.example.org"],
        "CSRF_TRUSTED_ORIGINS": ["https://rates.example.org"],
        "ADMIN_PASSWORD": GOOD["ADMIN_PASSWORD"],
        "KAFKA_BOOTSTRAP_SERVERS": ["kafka:9093"],
        "CELERY_BROKER_TRANSPORT_OPTIONS": {"security.protocol": "SASL_SSL"},
        "REDIS_URL": GOOD["REDIS_URL"],
        "SECURE_HSTS_SECONDS": 3600,
        "SECURE_SSL_REDIRECT": True,
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
    }
    for name, value in safe.items():
        setattr(settings, name, value)
    assert not found()
    for name, value in changes.items():
        setattr(settings, name, value)
    (message,) = (one for one in found() if one.id == id_)
    assert message.level == level
    assert message.hint or id_.startswith("security.")


@pytest.mark.parametrize(
    ("password", "options", "ids"),
    [
        ("long-password", {"sslmode": "verify-full"}, []),
        ("rates", {"sslmode": "verify-full"}, ["project.E007"]),
        ("u", {"sslmode": "verify-full"}, ["project.E007"]),
        ("long-password", {}, ["project.W003"]),
    ],
)
def test_an_unsafe_database_is_named(
    monkeypatch: pytest.MonkeyPatch, settings: Any, password: str, options: dict[str, str], ids: list[str]
) -> None:
    # Not by the fixture: Django warns of another database in the middle of a process.
    database = {"HOST": "db", "USER": "u", "PASSWORD": password, "OPTIONS": options}
    monkeypatch.setitem(settings.DATABASES, "default", database)
    settings.ADMIN_PASSWORD = ""
    told = [*checks.check_passwords(), *checks.check_services()]
    assert [message.id for message in told] == ids


def found() -> list[CheckMessage]:
    told = run_checks(tags=["security"], include_deployment_checks=True)
    return [message for message in told if not message.is_silenced()]


def test_pages_may_load_nothing_from_elsewhere_and_no_script_of_their_own() -> None:
    for path in ("/api/v1/", "/api/v1/docs/", "/admin/login/", "/nothing/"):
        answer = Client().get(path)
        policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["script-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["Referrer-Policy"] == "same-origin"
        assert "camera=()" in answer["Permissions-Policy"]


def test_plain_http_is_sent_to_https_but_probes_are_not(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 3600
    assert Client().get("/admin/")["Location"] == "https://testserver/admin/"
    assert Client().get("/healthz").status_code == 200
    assert Client().get("/api/v1/", secure=True)["Strict-Transport-Security"] == "max-age=3600"


@pytest.fixture
def guess(settings: Any) -> Any:
    settings.AXES_ENABLED = True
    get_user_model().objects.create_superuser("admin", password="correct horse battery staple")

    def guess(password: str, address: str = "10.0.0.1", **headers: str) -> int:
        form = {"username": "admin", "password": password}
        answer = Client().post("/admin/login/?next=/admin/", form, REMOTE_ADDR=address, headers=headers)
        return answer.status_code

    return guess


@pytest.mark.django_db
def test_who_guesses_passwords_is_locked_out_and_nobody_else(guess: Any, settings: Any) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        assert guess("wrong") == 200
    assert guess("wrong") == 429
    assert guess("correct horse battery staple") == 429
    assert guess("correct horse battery staple", address="10.0.0.2") == 302


@pytest.mark.django_db
def test_a_guesser_behind_the_proxy_is_one_whatever_addresses_it_invents(guess: Any, settings: Any) -> None:
    settings.NUM_PROXIES = 1
    answers = [guess("wrong", **{"X-Forwarded-For": f"1.1.1.{n}, 9.9.9.9"}) for n in range(settings.AXES_FAILURE_LIMIT)]
    assert answers[-1] == 429
    assert guess("correct horse battery staple", **{"X-Forwarded-For": "8.8.8.8"}) == 302


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "1.1.1.1", "10.0.0.1"),
        (1, "1.1.1.1, 2.2.2.2", "2.2.2.2"),
        (2, "1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (3, "2.2.2.2", "2.2.2.2"),
        (1, "", "10.0.0.1"),
    ],
)
def test_the_clients_address(settings: Any, proxies: int, forwarded: str, address: str) -> None:
    settings.NUM_PROXIES = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert client_address(RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", headers=headers)) == address
