"""kombu's transport on Kafka: one per connection, with the bell that its consumers' threads ring."""

from __future__ import annotations

import os
import select
import socket
import threading
from time import monotonic
from typing import Any

import confluent_kafka
from kombu.transport import virtual
from kombu.utils.compat import detect_environment

from .arguments import QueueArguments
from .broadcast import TransientQueue
from .channel import Channel
from .errors import BrokerUnavailable, ConfigurationError
from .mover import Mover, is_needed
from .options import Address, Options
from .producer import ConfirmedProducer
from .shared import close_deadline
from .topics import Topics, shared_topics
from .trim import shared_trimmer

#: Messages delivered in one go before the event loop sees to its other duties.
BURST = 256


class Transport(virtual.Transport):  # type: ignore[misc]  # kombu has no types
    """Celery's broker on Apache Kafka. The package's docstring is the manual."""

    Channel = Channel

    driver_type = "kafka"
    driver_name = "confluent-kafka"
    default_port = 9092

    implements = virtual.Transport.implements.extend(
        asynchronous=True, exchange_type=frozenset(["direct", "topic", "fanout"]), heartbeats=False
    )
    connection_errors = (BrokerUnavailable, ConnectionError)
    recoverable_connection_errors = connection_errors
    channel_errors = virtual.Transport.channel_errors
    recoverable_channel_errors = ()

    def __init__(self, client: Any, **kwargs: Any) -> None:
        environment = detect_environment()
        if environment != "default":
            raise ConfigurationError(
                f"kafka:// can't work under {environment}: librdkafka would block its loop. "
                "Use the prefork, threads or solo pool."
            )
        self.options = Options.read(client.transport_options or {})
        self.address = Address.from_client(client)
        super().__init__(client, **kwargs)
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._ringer.setblocking(False)
        #: Queues that die with this connection, see broadcast.py.
        self.transients: dict[str, TransientQueue] = {}
        #: How the other queues were declared here.
        self.arguments: dict[str, QueueArguments] = {}
        self._rung = False
        self._turns_again = False  # the last tick has delivered something
        self._lock = threading.Lock()
        self._loop: Any = None
        self._mover: Mover | None = None
        self._pid = os.getpid()

    def driver_version(self) -> str:
        return str(confluent_kafka.__version__)

    # --- connection -------------------------------------------------------------------------------------------------

    def establish_connection(self) -> Transport:
        """Raises BrokerUnavailable where no broker answers within `connect_timeout`."""
        self._knock()
        config = self.options.client_config(self.address.hosts, self.address.credentials)
        shared_topics(config, self.options).ping()
        super().establish_connection()
        return self

    def _knock(self) -> None:
        """librdkafka doesn't say that a port is closed, it goes on trying; a plain connect says it at once.

        The address that answers becomes the connection's, as if kombu had switched to it.
        """
        reasons = []
        for address in self.address.hosts.split(","):
            host, _, port = address.rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), self.options.connect_timeout).close()
                self.client.hostname, self.client.port = host.strip("[]"), int(port)
                return
            except OSError as error:
                reasons.append(f"{address}: {error.strerror or error}")
        raise BrokerUnavailable("no Kafka broker is there: " + "; ".join(reasons))

    def close_connection(self, connection: Any) -> None:
        if os.getpid() != self._pid:
            return  # a forked child must not take the parent's consumers down
        self._unregister()
        deadline = close_deadline()
        if self._mover is not None:
            self._mover.stop()
        super().close_connection(connection)
        if self._mover is not None:
            self._mover.join(deadline)
        self._bell.close()
        self._ringer.close()

    # --- events -----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Tell whoever drains events that something is ready. From any thread."""
        # Flag and byte change under one lock: a byte read after a new ring, with the flag still up, would be the last.
        with self._lock:
            if not self._rung:
                self._rung = True
                try:
                    self._ringer.send(b"\0")
                except OSError:
                    pass  # closed: nobody waits any more

    def wait(self, timeout: float | None) -> bool:
        """Wait for `wake`, without an event loop. False after `timeout` seconds."""
        if timeout is not None and timeout < 0:
            return False
        poll = select.poll()  # not select(): that fails beyond 1024 open files
        poll.register(self._bell, select.POLLIN)
        ready = poll.poll(None if timeout is None else timeout * 1000)
        if ready:
            self._on_bell()
        return bool(ready)

    def _on_bell(self) -> None:
        with self._lock:
            self._rung = False
            try:
                self._bell.recv(64)
            except BlockingIOError:
                pass  # another thread has read it

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver what is ready, or wait for it. Raises socket.timeout after `timeout` seconds.

        Of replies and events only one: who waits for two calls this twice, and would wait in vain after both at once.
        """
        deadline = None if timeout is None else monotonic() + timeout
        while not self._deliver_round():
            if not self.wait(None if deadline is None else deadline - monotonic()):
                raise TimeoutError
        for _ in range(BURST):
            if not sum(channel.deliver_messages() for channel in tuple(self.channels)):
                return

    def deliver_ready(self) -> int:
        """Deliver messages until none is ready or the prefetch limits are reached; returns how many."""
        if self._mover is not None:
            self._mover.check()
        total = 0
        for channel in tuple(self.channels):
            total += channel.deliver_ready(BURST)
        if total >= BURST:
            self.wake()
        return total

    def _deliver_round(self) -> int:
        return sum(channel.deliver_next() for channel in tuple(self.channels))

    @property
    def asynchronous(self) -> bool:
        """Whether an event loop drives this connection: then nothing may block."""
        return self._loop is not None

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Deliver when the bell rings, and on each turn of the loop: an ack may have made room."""
        self._loop = loop
        loop.add_reader(self._bell, self._deliver_on_bell)
        loop.on_tick.add(self._deliver_on_tick)

    def move_delayed(self, topics: Topics, producer: ConfirmedProducer) -> None:
        """Take part in moving what is due later, from now on: in workers only, others come and go."""
        if self._loop is not None and self._mover is None and is_needed(self.options, topics):
            config = self.options.client_config(self.address.hosts, self.address.credentials)
            trimmer = shared_trimmer(topics, self.options) if self.options.trim else None
            self._mover = Mover(config, self.options, topics, producer, self.wake, trimmer)

    def _deliver_on_bell(self, *args: Any) -> None:
        if not self._turns_again:  # else it stays up: the next tick delivers, and would only ring it anew
            self._on_bell()
            self.deliver_ready()

    def _deliver_on_tick(self) -> None:
        # The pool hands tasks to its children on a tick too, maybe before this one: have the loop turn once more,
        # or what is delivered now waits until something else happens.
        self._turns_again = self.deliver_ready() > 0
        if self._turns_again:
            self.wake()

    def _unregister(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.on_tick.discard(self._deliver_on_tick)
            loop.remove(self._bell)
