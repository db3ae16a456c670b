"""A Celery application on Kafka without Django: the transport comes from the wheel that bin/wheel builds.

pip install dist/celery_kafka_transport-*.whl
export BROKER=kafka://127.0.0.1:9092
celery -A kafka_tasks worker
python kafka_tasks.py                # publishes a task and prints its result: 3
celery -A kafka_tasks kafka topics   # what waits
"""

import os

import celery_kafka_transport  # noqa: F401  (registers kafka://)
from celery import Celery

app = Celery("example", broker=os.environ.get("BROKER", "kafka://127.0.0.1:9092"), backend="rpc://")
app.conf.update(
    # With both, no task is lost that was published: see the package's docstring.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # What can't be read goes to the dead letters, instead of nowhere.
    worker_consumer="celery_kafka_transport.worker:Consumer",
    broker_connection_retry_on_startup=True,
    broker_transport_options={"partitions": 4, "session_timeout": 6},
)


@app.task(name="add")
def add(x: int, y: int) -> int:
    return x + y


if __name__ == "__main__":
    print(add.delay(1, 2).get(timeout=60))
