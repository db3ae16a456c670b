"""What was accepted is published, in order, by one relay; what got stuck again, and not for ever."""

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError

from notifier import dispatch, owners, relay, requests
from notifier.models import RateRequest
from notifier.relay import Published, publish_due
from notifier.tasks import sweep
from rates import tasks


def overdue(**changes: Any) -> None:
    RateRequest.objects.update(sweep_at=timezone.now() - dt.timedelta(seconds=1), **changes)


def get() -> RateRequest:
    return RateRequest.objects.get()


def test_what_was_accepted_is_due_at_once(row: RateRequest, published: Any) -> None:
    (message,) = published()
    assert message["args"] == ["USD", str(row.pk)]
    seen = get()
    assert (seen.publishes, seen.claimed_by, seen.status) == (1, "", "accepted")
    assert seen.published_at is not None and seen.sweep_at is not None
    assert seen.sweep_at - seen.published_at == requests.QUEUED
    assert publish_due() == Published()


def test_what_was_accepted_by_a_clock_that_is_a_little_ahead_is_due_too(row: RateRequest) -> None:
    """Each would wait for the relay's next look, a second later."""
    RateRequest.objects.update(sweep_at=timezone.now() + dt.timedelta(seconds=0.2))
    assert publish_due() == Published(due=1, published=1)


def test_in_the_order_of_age(db: None, published: Any) -> None:
    ages = (30, 50, 10, 40)
    for seconds in ages:
        one = requests.accept("USD", seconds)
        at = timezone.now() - dt.timedelta(seconds=seconds)
        RateRequest.objects.filter(pk=one.pk).update(accepted_at=at, sweep_at=at)
    ids = RateRequest.objects.in_bulk()
    told = [ids[uuid.UUID(message["args"][1])].telegram_id for message in published()]
    assert told == sorted(ages, reverse=True)


def test_of_two_relays_one_publishes(row: RateRequest, published: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second looks while the first is publishing."""
    publish, second = dispatch.publish, []

    def slowly(rows: Any) -> Any:
        monkeypatch.setattr(dispatch, "publish", publish)
        second.append(publish_due())
        return publish(rows)

    monkeypatch.setattr(dispatch, "publish", slowly)
    assert publish_due() == Published(due=1, published=1)
    assert second == [Published()]
    assert len(published()) == 1


def test_a_batch_is_bounded(db: None, published: Any) -> None:
    for number in range(1, 6):
        requests.accept("USD", number)
    assert [publish_due(3).published, publish_due(3).published] == [3, 2]


@pytest.mark.parametrize("status", ["fetching", "notifying"])
def test_a_step_that_died_is_begun_anew(row: RateRequest, published: Any, status: str) -> None:
    overdue(status=status, publishes=1)
    assert len(published()) == 1
    assert (get().status, get().publishes) == ("accepted", 2)


@pytest.mark.parametrize("end", ["deliver", "fail"])
def test_what_has_ended_is_left_alone(row: RateRequest, end: str) -> None:
    requests.deliver(row.pk) if end == "deliver" else requests.fail(row.pk, "x", "y")
    assert get().sweep_at is None
    assert publish_due() == Published()


def test_a_broker_that_is_away_loses_nothing(db: None, broker_away: None) -> None:
    older, newer = requests.accept("USD", 1), requests.accept("USD", 2)
    assert publish_due() == Published(due=2, failed=2, reason="no broker is there")
    for row in (older, newer):
        seen = RateRequest.objects.get(pk=row.pk)
        # Due again at once, in the old order.
        assert (seen.status, seen.publishes, seen.claimed_by, seen.sweep_at) == ("accepted", 0, "", seen.accepted_at)


def test_an_unknown_outcome_is_sent_again_under_the_same_ids(row: RateRequest, published: Any) -> None:
    """The broker has the message, the relay doesn't know it."""
    first = published()
    RateRequest.objects.update(publishes=0, sweep_at=row.accepted_at)
    second = published()
    assert [ids(message) for message in first] == [ids(message) for message in second]
    # One that was confirmed and got stuck is another publish.
    overdue()
    assert ids(published()[0]) != ids(first[0])


def ids(message: dict[str, Any]) -> tuple[str, str]:
    return message["id"], message["chain"][0]["options"]["task_id"]


@pytest.mark.parametrize("status", ["notifying", "delivered", "failed"])
def test_a_fetch_that_comes_again_does_nothing(
    row: RateRequest, monkeypatch: pytest.MonkeyPatch, published: Any, status: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(tasks, "newest_quote", asked.append)
    RateRequest.objects.update(status=status)
    result = tasks.fetch_rate.apply(args=("USD", str(row.pk)))
    assert (result.state, asked) == ("IGNORED", [])
    assert (get().status, get().fetch_attempts) == (status, 0)


def test_what_a_dead_relay_had_claimed_is_due_at_once(row: RateRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = f"{owners.me()}/1"
    assert requests.claim_due(10, claim)
    assert requests.hand_back_orphans() == 0
    monkeypatch.setattr(owners, "is_dead", lambda owner: owner == owners.me())
    assert requests.hand_back_orphans() == 1
    assert (get().sweep_at, get().claimed_by) == (row.accepted_at, "")


def test_what_a_relay_claimed_when_it_lost_the_database_is_due_as_soon_as_it_is_back(
    row: RateRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim was written, its answer never came: of such a batch the relay itself knows nothing."""
    requests.claim_due(10, f"{owners.me()}/1")
    one = relay.Relay()

    def publish_and_end(limit: int) -> Published:
        one.stop()
        return publish_due(limit)

    monkeypatch.setattr(relay, "publish_due", publish_and_end)
    monkeypatch.setattr(connection, "close", lambda: None)  # the test's own transaction is in it
    one.run()
    assert (get().publishes, get().claimed_by) == (1, "")


def test_a_relay_that_was_too_slow_changes_nothing(row: RateRequest) -> None:
    requests.claim_due(10, "slow/1")
    overdue()
    requests.claim_due(10, "quick/1")
    assert requests.published([row.pk], "slow/1") == requests.hand_back([row.pk], "slow/1") == 0
    assert requests.published([row.pk], "quick/1") == 1


def test_a_broker_that_forgot_gets_all_that_has_not_ended(db: None, published: Any) -> None:
    rows = {name: requests.accept(name, 1) for name in ("AAA", "BBB", "CCC", "DDD")}
    assert len(published()) == 4
    requests.start_fetching(rows["BBB"].pk)
    requests.start_notifying(rows["CCC"].pk, "text", {})
    requests.deliver(rows["DDD"].pk)
    assert requests.queue_is_lost() == 3
    assert {message["args"][0] for message in published()} == {"AAA", "BBB", "CCC"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"publishes": 10}, "stuck"), ({"accepted_at": timezone.now() - dt.timedelta(days=1, hours=1)}, "expired")],
)
def test_it_has_an_end(row: RateRequest, published: Any, changes: dict[str, Any], code: str) -> None:
    overdue(**changes)
    assert publish_due() == Published(due=1)
    assert (get().status, get().error_code) == ("failed", code)
    assert get().error
    assert published() == []


def test_beat_does_the_same_should_no_relay_be_there(row: RateRequest, published: Any) -> None:
    assert sweep.apply(throw=True).get() == 1
    assert get().publishes == 1
    task = PeriodicTask.objects.get(task="notifier.tasks.sweep")
    assert (task.interval.every, task.interval.period, task.expire_seconds, task.enabled) == (20, "seconds", 60, True)


def test_a_broker_that_is_away_is_asked_once_a_batch(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(*args: Any, **kwargs: Any) -> None:
        asked.append(args)
        raise OperationalError("no broker is there")

    monkeypatch.setattr("kombu.messaging.Producer.publish", refuse)
    for number in range(1, 4):
        requests.accept("USD", number)
    assert publish_due() == Published(due=3, failed=3, reason="no broker is there")
    assert len(asked) == 1


def test_what_went_out_before_the_broker_did_is_not_sent_again(
    db: None, published: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [requests.accept("USD", number) for number in range(1, 4)]
    publish = dispatch._publish

    def first_only(row: RateRequest) -> None:
        if row.pk != rows[0].pk:
            raise OperationalError("no broker is there")
        publish(row)

    monkeypatch.setattr(dispatch, "_publish", first_only)
    assert publish_due() == Published(due=3, published=1, failed=2, reason="no broker is there")
    assert list(RateRequest.objects.order_by("telegram_id").values_list("publishes", flat=True)) == [1, 0, 0]
