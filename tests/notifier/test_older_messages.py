"""While one version replaces another both are at work: what 0.1.0 writes and publishes is carried out by this one."""

import uuid
from typing import Any

import pytest
from celery import current_app
from celery.contrib.testing.worker import start_worker
from django.db import connection

from notifier.models import RateRequest
from rates import tasks
from rates.quotes import Quote
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

# The columns that 0.1.0 writes when it accepts a request.
COLUMNS = (
    "id currency_char_code telegram_id status created_at accepted_at text fetch_attempts notify_attempts error_code "
    "error publishes sweep_at"
).split()


def insert(request_id: uuid.UUID) -> None:
    """A row as the INSERT of 0.1.0 makes it: it doesn't know the columns that came later."""
    template = RateRequest(pk=request_id, currency_char_code="USD", telegram_id=42)
    template.sweep_at = template.accepted_at
    fields = [field for field in RateRequest._meta.concrete_fields if field.name in COLUMNS]
    values = [field.get_db_prep_save(getattr(template, field.attname), connection) for field in fields]
    names, marks = ", ".join(str(field.column) for field in fields), ", ".join(["%s"] * len(fields))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO notifier_raterequest ({names}) VALUES ({marks})", values)


def signature(task: str, *args: Any, **options: Any) -> dict[str, Any]:
    subtask = {"task": task, "args": list(args), "kwargs": {}, "options": options}
    return {**subtask, "subtask_type": None, "immutable": False}


def publish(request_id: str) -> None:
    """The chain's first message as 0.1.0 sent it."""
    fetch_id, notify_id = str(uuid.uuid4()), str(uuid.uuid4())
    give_up = signature("notifier.tasks.give_up", request_id)
    ids = {"task_id": notify_id, "root_id": fetch_id, "parent_id": fetch_id, "reply_to": str(uuid.uuid4())}
    notify = signature("notifier.tasks.notify", request_id, **ids, link_error=[give_up])
    embed = {"callbacks": None, "errbacks": [give_up], "chain": [notify], "chord": None}
    headers: dict[str, Any] = {
        **{"lang": "py", "task": "rates.tasks.fetch_rate", "id": fetch_id, "root_id": fetch_id, "parent_id": None},
        **{"shadow": None, "eta": None, "expires": None, "group": None, "group_index": None, "retries": 0},
        **{"timelimit": [None, None], "argsrepr": "()", "kwargsrepr": "{}", "origin": "gen1@host"},
        **{"ignore_result": False, "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {}},
    }
    with current_app.connection_for_write() as broker:
        producer = broker.Producer(serializer="json")
        queue = current_app.amqp.queues["rates"]
        body = [["USD", request_id], {}, embed]
        properties = {"correlation_id": fetch_id, "reply_to": ids["reply_to"]}
        producer.publish(body, headers=headers, routing_key="rates", exchange="rates", declare=[queue], **properties)


def test_a_request_of_the_older_version_is_carried_out(
    usd: Quote, outbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "newest_quote", lambda char_code: usd)
    request_id = uuid.uuid4()
    insert(request_id)
    publish(str(request_id))
    with start_worker(current_app, perform_ping_check=False, pool="solo", queues=["rates", "notifications"]):
        eventually(lambda: RateRequest.objects.get().status == "delivered", 20)
    assert [message.chat_id for message in outbox] == [42]
    row = RateRequest.objects.get()
    assert (row.pk, row.fetch_attempts, row.notify_attempts, row.possible_repeats) == (request_id, 1, 1, 0)


def test_what_this_version_publishes_the_older_one_can_read(published: Any) -> None:
    """The arguments are as they were; what is new in a message is only an id."""
    insert(uuid.uuid4())
    row = RateRequest.objects.get()
    (message,) = published()
    assert (message["task"], message["args"], message["kwargs"]) == ("rates.tasks.fetch_rate", ["USD", str(row.pk)], {})
    (step,) = message["chain"]
    assert (step["task"], step["args"], step["kwargs"]) == ("notifier.tasks.notify", [str(row.pk)], {})
