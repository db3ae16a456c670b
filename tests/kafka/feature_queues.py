"""Queues of features.py: what the workers consume, and what a client needs to route to them."""

from __future__ import annotations

from typing import Any

from kombu import Exchange, Queue
from kombu.common import Broadcast


def settings(name: str) -> dict[str, Any]:
    """`name` is the default queue; the others begin with it."""
    direct, topic = Exchange(f"{name}-direct", type="direct"), Exchange(f"{name}-topic", type="topic")
    return {
        "task_default_queue": name,
        "task_queues": [
            Queue(name, Exchange(name), routing_key=name),
            Queue(f"{name}-red", direct, routing_key="red"),
            Queue(f"{name}-blue", direct, routing_key="blue"),
            Queue(f"{name}-news", topic, routing_key="news.#"),
            Broadcast(f"{name}-all"),
        ],
        "task_routes": {
            "everywhere": {"queue": f"{name}-all"},
            "paint": {"exchange": f"{name}-direct", "routing_key": "red"},
            "report": {"exchange": f"{name}-topic", "exchange_type": "topic", "routing_key": "news.today.late"},
        },
    }
