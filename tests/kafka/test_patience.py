"""What the transport asks a broker again, and what it gives up at once."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from project.kafka.errors import AccessDenied, BrokerUnavailable
from project.kafka.groups import patiently


class Answers:
    """A question that is answered by these errors, one each time, and then by 42."""

    def __init__(self, *codes: int) -> None:
        self.left = list(codes)

    def __call__(self) -> int:
        if self.left:
            raise KafkaException(KafkaError(self.left.pop(0)))
        return 42


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.NOT_COORDINATOR,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        # The leader of a topic that was made a moment ago may know less of its own term than the client.
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
    ],
)
def test_what_passes_by_itself_is_asked_again(code: int) -> None:
    assert patiently(Answers(code), timeout=5) == 42


def test_what_passes_by_itself_is_not_asked_for_ever() -> None:
    with pytest.raises(BrokerUnavailable, match="Leader epoch is newer"):
        patiently(Answers(*[KafkaError.UNKNOWN_LEADER_EPOCH] * 100), timeout=0.01)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (KafkaError.GROUP_AUTHORIZATION_FAILED, AccessDenied),
        (KafkaError.UNSUPPORTED_VERSION, BrokerUnavailable),
    ],
)
def test_what_no_waiting_mends_is_raised_at_once(code: int, error: type[Exception]) -> None:
    answers = Answers(code)
    with pytest.raises(error):
        patiently(answers, timeout=5)
    assert answers.left == []
