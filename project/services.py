"""Are the services there that a command is about to use? Each that isn't is named in one line, without a traceback."""

import socket
import sys
from collections.abc import Callable
from typing import Any

import django
import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

TIMEOUT_SECONDS = 2.0
HOWTO = "bin/run starts all of it"


_migrated = False


def migrated_database() -> str:
    """The same, asked often: once the migrations are seen to be applied, only whether the database answers."""
    global _migrated
    if not _migrated:
        reason = database()
        _migrated = not reason
        return reason
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        connection.close()
        return f"the database does not answer (DATABASE_URL): {_one_line(error)}"
    return ""


def database() -> str:
    """What is wrong with the database, "" where nothing is."""
    try:
        executor = MigrationExecutor(connection)
        unapplied = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return f"the database does not answer (DATABASE_URL): {_one_line(error)}"
    finally:
        connection.close()  # a pool's processes are forked later
    if unapplied:
        return "the database is not migrated: run bin/run, or python manage.py migrate"
    return ""


def kafka(timeout: float = TIMEOUT_SECONDS) -> str:
    errors = []
    for server in settings.KAFKA_BOOTSTRAP_SERVERS:
        host, _, port = server.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout).close()
            return ""
        except (OSError, ValueError) as error:
            errors.append(f"{server}: {_one_line(error)}")
    return f"Kafka does not answer (KAFKA_BOOTSTRAP_SERVERS): {'; '.join(errors)}. {HOWTO}"


def redis_server(timeout: float = TIMEOUT_SECONDS) -> str:
    try:
        client = redis.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=timeout, socket_timeout=timeout, retry=None
        )
        with client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        return f"Redis does not answer (REDIS_URL): {_one_line(error)}. {HOWTO}"
    return ""


def _one_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")


def before_celery_command(sender: Any, options: dict[str, Any], **_: Any) -> None:
    """Ends `celery … worker`, `beat`, `purge` and `call` (exit 1) where they can't work; connected in project.celery.

    Celery's other commands say by themselves, in a line, that the broker is away.
    """
    if options.get("unchecked"):
        return
    if sender.__name__ in ("worker", "beat"):
        django.setup()
        _tell(redis_server)  # no task waits for Redis, see project.results
        _need(database, kafka)
    elif sender.__name__ in ("purge", "call"):
        _need(kafka)


def before_manage_command(command: str) -> None:
    """`runserver` needs the database; its page, admin and log work without the others, so it only tells."""
    if command == "runserver":
        django.setup()
        _tell(kafka, redis_server)
        _need(database)


def _tell(*checks: Callable[[], str]) -> None:
    for line in filter(None, (check() for check in checks)):
        print(f"warning: {line}", file=sys.stderr)


def _need(*checks: Callable[[], str]) -> None:
    lines = [line for check in checks if (line := check())]
    if lines:
        raise SystemExit("\n".join(lines))
