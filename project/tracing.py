"""OpenTelemetry: one trace from the POST through both tasks, where OTEL_EXPORTER_OTLP_ENDPOINT is set.

The instrumentations of Django and Celery make the spans and put the trace (W3C's `traceparent`) into the headers of
Celery's messages. Between the POST and its publish there is the request's row, which keeps it: the relay goes on with
it. Off, nothing of OpenTelemetry is imported, and the packages (requirements-otel.txt) needn't be there.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import signals

HEADER = "traceparent"
# Probes come every few seconds.
EXCLUDED = "healthz,readyz,metrics"

_provider: Any = None


def start(part: str) -> None:
    """Make the spans of this process and send them, if that is wanted; `part` is its name there.

    Raises SystemExit where it is wanted and the packages are missing.
    """
    global _provider
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or _provider is not None:
        return
    os.environ.setdefault("OTEL_SERVICE_NAME", part)
    os.environ.setdefault("OTEL_PYTHON_DJANGO_EXCLUDED_URLS", EXCLUDED)
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.celery import CeleryInstrumentor
        from opentelemetry.instrumentation.django import DjangoInstrumentor
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        hint = "pip install -r requirements-otel.txt"
        raise SystemExit(f"OTEL_EXPORTER_OTLP_ENDPOINT is set, and {error}: {hint}") from None
    _provider = TracerProvider()
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(_provider)
    DjangoInstrumentor().instrument(request_hook=_without_query)
    CeleryInstrumentor().instrument()


def _without_query(span: Any, request: Any) -> None:
    """People search for people there: see deploy/gunicorn.conf.py, whose log lacks it too."""
    for name, value in dict(span.attributes or {}).items():
        if isinstance(value, str) and name.startswith(("http.", "url.")):
            span.set_attribute(name, "" if name == "url.query" else value.partition("?")[0])


def current() -> str:
    """The `traceparent` of what is being done, for a row; "" where nothing is traced."""
    if _provider is None:
        return ""
    from opentelemetry.propagate import inject

    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier.get(HEADER, "")


@contextmanager
def continued(traceparent: str) -> Iterator[None]:
    """What is done within belongs to that trace."""
    if _provider is None or not traceparent:
        yield
        return
    from opentelemetry import context
    from opentelemetry.propagate import extract

    token = context.attach(extract({HEADER: traceparent}))
    try:
        yield
    finally:
        context.detach(token)


@signals.celeryd_init.connect(dispatch_uid="project.tracing.worker")
def worker(sender: Any = None, **_: Any) -> None:
    start(f"worker-{str(sender).partition('@')[0]}")


@signals.beat_init.connect(dispatch_uid="project.tracing.beat")
def beat(**_: Any) -> None:
    start("beat")


@signals.worker_process_shutdown.connect(dispatch_uid="project.tracing.flush")
def flush(**_: Any) -> None:
    """A pool's process ends without what Python does at an exit."""
    if _provider is not None:
        _provider.force_flush(2000)
