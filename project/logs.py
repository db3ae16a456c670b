"""Log lines: for eyes (LOG_FORMAT=console) or machines (json); without secrets, with the id of what is being done.

`settings.LOGGING` is `config()`: every process has it, gunicorn's and Celery's own loggers as well.
"""

import json
import logging
import logging.config
import os
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from celery import signals
from django.conf import settings

from project import trace
from project.redaction import redacted


class Formatter(logging.Formatter):
    """`2026-11-25 10:00:00.123 INFO rates.tasks [trace]: text`, and the traceback below."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created).isoformat(" ", "milliseconds")
        context = f" [{trace.current()}]" if trace.current() else ""
        return f"{when} {record.levelname} {record.name}{context}: {record.message}"


class JsonFormatter(logging.Formatter):
    """`time` is UTC; `request_id`, `task_id` and `error` (the traceback) stand where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if trace.current():
            line["request_id"] = trace.current()
        if trace.current_task():
            line["task_id"] = trace.current_task()
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        # Before it is quoted: a secret with a quote in it would look different after.
        clean = {name: redacted(value) if isinstance(value, str) else value for name, value in line.items()}
        return json.dumps(clean, ensure_ascii=False)


FORMATTERS: dict[str, type[logging.Formatter]] = {"console": Formatter, "json": JsonFormatter}


def formatter() -> logging.Formatter:
    return FORMATTERS[settings.LOG_FORMAT]()


def config(level: str) -> dict[str, Any]:
    """For logging.config.dictConfig: one handler for all, to standard error."""
    plain: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ours": {"()": "project.logs.formatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "ours"}},
        "root": {"handlers": ["stderr"], "level": level},
        # These bring handlers of their own, which would write what ours takes out.
        "loggers": {
            "django": {**plain, "level": "INFO"},
            "django.server": plain,
            "gunicorn.error": {**plain, "level": level},
            "gunicorn.access": {**plain, "level": level},
            # "Task … received": each task's own lines and its end tell the same.
            "celery.worker.strategy": {**plain, "level": "WARNING" if level == "INFO" else level},
        },
    }


@signals.setup_logging.connect(dispatch_uid="project.logs.celery")
def on_celery(loglevel: Any = None, **_: Any) -> None:
    """A receiver of this signal makes Celery leave logging alone, `--loglevel` included."""
    level = logging.getLevelName(loglevel) if isinstance(loglevel, int) else loglevel or settings.LOG_LEVEL
    logging.config.dictConfig(config(level))
    hook_exceptions()


def hook_exceptions() -> None:
    """What nobody catches ends on standard error, redacted as well."""

    def main(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, where)
        else:
            _write(kind, error, where)

    def thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            _write(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook, threading.excepthook = main, thread


def _write(kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> None:
    text = redacted("".join(traceback.format_exception(kind, error, where)))
    try:
        os.write(2, text.encode(errors="replace"))
    except OSError:
        pass  # nobody listens to standard error
