"""Celery on Apache Kafka: a kombu transport that loses nothing and shares work among workers.

Importing this package registers the scheme ``kafka://`` with kombu::

    import project.kafka
    app = Celery(broker="kafka://localhost:9092")

Import it wherever the URL is used, in clients too: without it kombu takes ``kafka://`` for its own stock transport.

Features
========
======================  ================================================================================================
Virtual, asynchronous   yes: one thread for each consumed queue wakes Celery's event loop; nothing is polled by it
Direct, topic, fanout   yes, with bindings that every process sees
Headers exchange        no
Acknowledgement         each message by itself, in any order, from any thread
Publishing              confirmed: returns when the broker has it, or raises within ``publish_timeout``
ETA, countdown, retry   kept at the broker until shortly before they are due (``delay_after``), at no cost to workers
Remote control, events  yes
Command line            ``celery kafka topics|lag|partitions|forget|dead …``, where the package is installed with its
                        entry point (``celery.commands``)
Priorities              for queues declared with ``x-max-priority``, in AMQP's direction: the higher first
Time to live            a message's ``expiration`` and a queue's ``x-message-ttl``; not ``x-expires``
Pools                   prefork, threads, solo. gevent and eventlet are refused: librdkafka would block them
======================  ================================================================================================

With ``task_acks_late`` *and* ``task_reject_on_worker_lost`` no published task is lost. What was in flight when a worker
died runs again, with ``delivery_info["redelivered"]`` set.

Without an event loop (scripts, kombu's ``SimpleQueue``) ``consume`` returns when messages can come: for a group that
nobody is in Kafka takes ``group.initial.rebalance.delay.ms`` (3 s). What was published before is then delivered in the
order of its publishing.

Priorities and time to live
===========================
``Queue(max_priority=10)`` has up to four levels, each a topic of its own (``<topic>.priority-3``, …) with a group and a
thread in each worker: for 10 they begin at 0, 3, 6 and 9, and priorities between two of them are one. Within a level
messages go in the order of their publishing. Every 16th goes to a level that waits meanwhile, so that none starves.
What a worker has prefetched is not sorted any more: set ``worker_prefetch_multiplier=1``. Declare a queue with its
priorities before its workers start.

Messages too old for their ``expiration`` or their queue's ``x-message-ttl`` (as its consumer declares it; both count
milliseconds) are dropped when their turn comes, and counted in the log. Their age is from the time when the broker took
them in, by its clock; putting a message back does not make it younger. A Celery task's ``expires`` is Celery's own.

URL
===
``kafka://host:9092``; several brokers are ``kafka://a:9092;kafka://b:9092``, all of them bootstrap servers. User and
password in the URL mean SASL/PLAIN; other mechanisms by librdkafka's settings (``"sasl.mechanism": "SCRAM-SHA-512"``).
TLS is ``broker_use_ssl``: ``True``, or a dictionary with ``ca_certs``, ``certfile``, ``keyfile`` (mutual TLS) and
``cert_reqs``. A wrong password, and what the broker's access control lists forbid, is ``AccessDenied``: a worker stops
on it. docs/transport.md lists the rights that workers, clients and operators need.

Options
=======
All in ``broker_transport_options``, checked before anything is connected. Times are in seconds. A name with a dot is a
setting of librdkafka and goes to the clients that it is for (``"ssl.ca.location"``, ``"linger.ms"``, …), which check it
when they are made; those that a promise above rests on (``acks``, ``enable.auto.commit``, …) are refused.

``topic_prefix`` (``""``)
    Before the name of every topic, for applications that share a cluster.
``group_id`` (``"celery"``)
    Each queue's consumer group is ``<group_id>.<topic>``. Another one means that everything is consumed once more.
``partitions`` (8)
    Of new topics: the most workers that can share a queue. More cost memory at the broker and in each worker.
``replication_factor`` (-1)
    Of new topics; -1 is the broker's default.
``connect_timeout`` (4.0)
    How long a broker may take to answer when a connection, a topic or a length is asked for.
``publish_timeout`` (10.0)
    How long a publish waits for its confirmation. Shorter fails sooner in an outage that would have passed.
``session_timeout`` (10.0)
    After this long without a sign of life a worker's messages go to others: it is the time to recover from a kill.
    Brokers allow 6 s and more by default. Shorter makes a pause look like a death, and tasks run twice.
``commit_interval`` (0.05)
    How often what is finished is stored. What ended within the last one is repeated after a crash. Longer spares the
    brokers commits: a busy worker sends one for each of its queues.
``revoke_wait`` (10.0)
    How long a worker that has to hand partitions to another waits for tasks that run. Longer ones run twice.
``protocol`` (``"classic"``)
    Of the groups: ``"consumer"`` is KIP-848, in which the broker rules, also over the session timeout
    (``group.consumer.session.timeout.ms``). Kafka 4 has both; a group can't have members of both kinds for long.
``static_membership`` (True)
    A worker joins under its name (``celery worker -n``): killed and started again within the session timeout it has
    its partitions back at once. Two workers of one name: the older stops with an error. Only in the classic protocol.
``delivery_limit`` (10)
    A message that was handed out so often without an end, because the worker died or put it back, goes to the dead
    letters. 0 is no limit.
``delay_after`` (10.0)
    A task that is due later than this (ETA, countdown, retry) waits in a topic of the broker, and a worker has it only
    for its last seconds. 0 switches that off: workers hold such tasks until they are due, in their memory and
    unacknowledged. The client that publishes decides; its workers move what is in the topics in any case.
``max_buffered`` (256)
    Messages of a queue that wait in a worker beyond its prefetch limit.
``dead_letter_suffix`` (``".dead"``)
    Records that are no messages, messages past the delivery limit, and what a worker rejects without putting it back
    (a task that it doesn't know, ``Reject``) go to ``<topic><suffix>``, with the reason, their origin, the time and the
    number of deliveries in the headers. What Celery can't decode does so too with
    ``worker_consumer = "project.kafka.worker:Consumer"``; Celery's own acknowledges it (and in a warm stop forgets what
    its pool has been sent and not begun, which then runs twice).
``max_message_bytes`` (0)
    A longer record goes to the dead letters unread; 0 is no limit but the brokers' own.
``signing_key`` (``""``)
    Messages are signed with it (HMAC-SHA256), and those that aren't go to the dead letters, or, of remote control,
    nowhere. Several keys, separated by blanks, while one replaces another: the first signs, each is accepted. Give it
    to the clients first, then to the workers. ``env:NAME`` takes it from a variable of the environment: what stands in
    the options themselves is shown to everybody by ``celery inspect stats``.
``trim`` (True)
    Delete what every group of a queue has consumed, now and then and when a worker leaves. Needs the rights Delete on
    the topics, and Describe on the cluster and on all groups. Without them, or with False, the topics grow.
"""

from typing import TYPE_CHECKING, Any

from kombu.transport import TRANSPORT_ALIASES

from .errors import AccessDenied, BrokerUnavailable, ConfigurationError, MessageTooLarge, PublishFailed
from .identity import listen

if TYPE_CHECKING:
    from .transport import Transport

__all__ = ["AccessDenied", "BrokerUnavailable", "ConfigurationError", "MessageTooLarge", "PublishFailed", "Transport"]

TRANSPORT_ALIASES["kafka"] = f"{__name__}.transport:Transport"
listen()


def __getattr__(name: str) -> Any:
    # On first use, not on import: kombu's messages import its JSON, which imports Django where that is installed.
    if name == "Transport":
        from .transport import Transport

        return Transport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
