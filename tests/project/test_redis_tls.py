"""Redis by TLS, as REDIS_URL says it: by the cache, by the clients of our own, and by Celery's results."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest
import redis
from celery import Celery
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import ConnectionError

from project import redis_client, settings
from tests.kafka.secure import make_certificates

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def address(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of TLS before the tests' Redis, which not every build of it can; what follows is whom to trust."""
    folder = tmp_path_factory.mktemp("redis-tls")
    make_certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    behind = urlsplit(redis_server)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server, context, ("127.0.0.1", behind.port)), daemon=True).start()
        yield f"rediss://127.0.0.1:{server.getsockname()[1]}/0?ssl_cert_reqs=required&ssl_ca_certs={folder}"
        server.shutdown(socket.SHUT_RDWR)


def serve(server: socket.socket, context: ssl.SSLContext, behind: tuple[str, int]) -> None:
    with suppress(OSError):  # closed at the end of the tests
        while True:
            plain, _ = server.accept()
            threading.Thread(target=pass_on, args=(plain, context, behind), daemon=True).start()


def pass_on(plain: socket.socket, context: ssl.SSLContext, behind: tuple[str, int]) -> None:
    """One question and its answer after the other."""
    with suppress(OSError), ExitStack() as stack:  # either side may hang up
        client = stack.enter_context(context.wrap_socket(plain, server_side=True))
        redis_itself = stack.enter_context(socket.create_connection(behind))
        while question := client.recv(65536):
            redis_itself.sendall(question)
            client.sendall(redis_itself.recv(65536))


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # Celery's
def test_all_that_use_it(address: str) -> None:
    url = f"{address}/ca.pem"
    client = redis_client.client(url)
    assert client.ping()
    cache = RedisCache(url, {"OPTIONS": settings.CACHES["default"]["OPTIONS"]})
    cache.set("a", 1)
    assert cache.get("a") == 1
    app = Celery(set_as_current=False, backend=f"project.results:RedisBackend+{url}")
    app.backend.store_result("a-task", 7, "SUCCESS")
    assert app.backend.get_result("a-task") == 7
    assert client.exists("celery-task-meta-a-task")


def test_who_is_signed_by_another_is_refused(address: str) -> None:
    with pytest.raises(ConnectionError, match="certificate verify failed"):
        redis.Redis.from_url(f"{address}/client.pem").ping()
