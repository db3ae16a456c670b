"""The request's states, walked at random: every step may come twice, late or in any order."""

from typing import Any

from django.utils import timezone
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from hypothesis.strategies import booleans

from notifier import requests
from notifier.models import RateRequest

ENDED = ("delivered", "failed")


class Walk(RuleBasedStateMachine):
    """`sent` counts the messages that a person has got since the request was last accepted."""

    def __init__(self) -> None:
        super().__init__()
        self.pk = requests.accept("USD", 42).pk
        self.leases: list[Any] = []
        self.sent = 0
        self.was = "accepted"

    @property
    def row(self) -> RateRequest:
        return RateRequest.objects.get(pk=self.pk)

    @rule()
    def fetch(self) -> None:
        before = self.row
        moved = requests.start_fetching(self.pk)
        assert moved == (before.status in ("accepted", "fetching"))
        assert self.row.fetch_attempts == before.fetch_attempts + moved

    @rule()
    def claim(self) -> None:
        before = self.row
        lease = requests.start_notifying(self.pk, "text", {"found": True})
        assert (lease is not None) == (before.status not in ENDED and not before.lease_until)
        if lease:
            self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule()
    def nothing_was_sent(self) -> None:
        requests.release(self.pk, self.leases.pop())

    @precondition(lambda self: self.leases)
    @rule()
    def sent_it(self) -> None:
        self.leases.clear()
        self.sent += 1
        requests.deliver(self.pk)
        assert self.row.status == "delivered"

    @rule()
    def late_delivery_is_written_once(self) -> None:
        if self.row.status == "delivered":
            assert not requests.deliver(self.pk)

    @rule()
    def give_up(self) -> None:
        before = self.row
        assert requests.fail(self.pk, "task_error", "why") == (before.status not in ENDED)

    @rule()
    def retry(self) -> None:
        requests.publish_again(self.pk, "broker", "why")

    @rule(confirmed=booleans())
    def publish(self, confirmed: bool) -> None:
        before = self.row
        due = before.sweep_at is not None and before.sweep_at <= timezone.now()
        # The rows of earlier walks are there too.
        assert due == (self.row in requests.claim_due(1000, "relay/1"))
        assert self.row not in requests.claim_due(1000, "relay/2")
        ended = requests.published if confirmed else requests.hand_back
        assert ended([self.pk], "relay/1") == due

    @rule()
    def again(self) -> None:
        if requests.accept_again(self.pk):
            assert self.was == "failed"
            self.was, self.leases, self.sent = "accepted", [], 0

    @invariant()
    def a_delivered_request_stays_so(self) -> None:
        row = self.row
        assert not (self.was == "delivered" and row.status != "delivered")
        self.was = row.status

    @invariant()
    def at_most_one_message(self) -> None:
        assert self.sent <= 1

    @invariant()
    def only_unfinished_requests_are_swept(self) -> None:
        row = self.row
        assert (row.sweep_at is None) == (row.finished_at is not None) == (row.status in ENDED)
        assert not (row.status in ENDED and row.lease_until)


def test_any_order(db: None) -> None:
    run_state_machine_as_test(Walk, settings=settings(max_examples=40, stateful_step_count=25, deadline=None))
