"""A program that forks, as application servers and task pools do; test_forks.py runs it.

python -m tests.kafka.forking URL OPTIONS QUEUE CASE
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from celery import Celery
from kombu import Connection, Exchange, Queue

import project.kafka  # noqa: F401  (registers kafka://)

CHILDREN = 2
#: A child that hangs is ended by a signal, in seconds.
BOUND = 40


class Program:
    def __init__(self, url: str, options: dict[str, Any], name: str) -> None:
        self.app = Celery("forking", broker=url)
        self.app.conf.update(broker_transport_options=options, task_default_queue=name, task_ignore_result=True)
        self.connection = Connection(url, transport_options=options)
        self.queue = Queue(name, Exchange(name), routing_key=name)
        self.producer = self.connection.Producer()

    def publish(self, body: str) -> None:
        self.producer.publish(body, exchange=self.queue.exchange, routing_key=self.queue.name, declare=[self.queue])

    def in_children(self, work: Callable[[str], None]) -> None:
        """Children of their own names, one after the other; they end as Python programs do."""
        for number in range(CHILDREN):
            pid = os.fork()
            if not pid:
                signal.alarm(BOUND)
                work(f"child {number}")
                sys.exit(0)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert status == 0, f"child {number} ended with {status}"

    def publishing(self) -> None:
        """With the parent's own connection, before and after."""
        self.publish("before")
        self.in_children(self.publish)
        self.publish("after")

    def tasks(self) -> None:
        """By an application's task, whose connections are pooled."""
        self.app.send_task("before")
        self.in_children(lambda name: self.app.send_task(name))
        self.app.send_task("after")

    def amid(self) -> None:
        """While other threads publish, so that their locks are taken in the child for ever."""
        stopping = threading.Event()

        def hurry() -> None:
            with Connection(self.connection.as_uri(), transport_options=self.connection.transport_options) as own:
                producer = own.Producer()
                while not stopping.is_set():
                    producer.publish("hurry", exchange="", routing_key=f"{self.queue.name}-busy")

        threads = [threading.Thread(target=hurry) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            self.publishing()
        finally:
            stopping.set()
            for thread in threads:
                thread.join()

    def consuming(self) -> None:
        """A child that ends takes nothing of the parent's membership with it."""
        got: list[Any] = []
        consumer = self.connection.Consumer(self.queue, on_message=got.append)
        consumer.consume()
        self.publish("before")
        while not got:
            self.connection.drain_events(timeout=20)
        self.in_children(lambda name: None)
        self.publish("after")
        while len(got) < 2:
            self.connection.drain_events(timeout=20)
        self.connection.close()


if __name__ == "__main__":
    url, options, name, case = sys.argv[1:]
    getattr(Program(url, json.loads(options), name), case)()
