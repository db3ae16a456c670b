"""bin/run from its start to its end, and what happens in between."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import requests
import yaml

from project.local import children, ports
from tests.project.test_metrics import expressions, named
from tests.run.conftest import Run
from tests.standins.telegram import TOKEN, TelegramStandin
from tests.waiting import eventually

Start = Callable[..., Run]
# Real processes that start three times one after the other, on a busy machine.
pytestmark = pytest.mark.timeout(900)
PARTS = ["web", "worker-rates", "worker-notifications", "beat", "relay"]
# There is no bot; of what is counted by labels, a metric is there with its first value.
NOT_IN_THIS_RUN = {"bot_updates_total", "kafka_dead_letters"}
# With as many free ones after it as there are parts, where none of the other tests looks for a free one meanwhile.
METRICS_PORT = next(port for port in range(32000, 32700, 10) if all(ports.is_free(port + i) for i in range(7)))


@pytest.fixture(scope="module")
def running(copy: Callable[[], Path]) -> Iterator[Run]:
    """One that runs beside the tests of this module, on a port that it did not want."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        run = Run(copy(), PORT=str(busy.getsockname()[1]), METRICS_PORT=str(METRICS_PORT))
        try:
            yield run.ready()
        finally:
            run.end()


def test_a_busy_port_gets_another(running: Run) -> None:
    wanted, taken = re.findall(r"\d+", running.line("is busy"))
    assert wanted != taken
    assert f":{taken}/" in running.page
    assert requests.get(running.page, timeout=10).status_code == 200


def test_the_admin_gets_in_with_the_printed_password(running: Run) -> None:
    admin = running.line("Admin").split()[1]
    password = running.line("password").split()[-1]
    session = requests.Session()
    session.get(admin, timeout=10)
    form = {"username": "admin", "password": password, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
    answer = session.post(f"{admin}login/?next=/admin/", data=form, timeout=10)
    assert "Log out" in answer.text
    assert (running.folder / "var" / "admin_password").stat().st_mode & 0o777 == 0o600


def test_a_message_appears_on_the_terminal(running: Run) -> None:
    running.ask("EUR", 4711)
    running.line("To 4711:")
    running.line("1 EUR = ")


def test_a_second_one_in_the_folder_says_that_the_first_runs(running: Run, start: Start) -> None:
    second = start(running.folder)
    assert second.ended() == 1
    assert second.lines == [f"bin/run: it runs in this folder already (pid {running.process.pid}): {running.page}"]


def test_plain_commands_join_it(running: Run) -> None:
    run_env = running.folder / "var" / "run.env"
    assert run_env.stat().st_mode & 0o777 == 0o600
    code = "from django.conf import settings as s; from project import services as v;"
    told = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "shell",
            "-v0",
            "-c",
            code + "print([v.database(), v.kafka(), v.redis_server()])",
        ],
        cwd=running.folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.stdout.strip() == "['', '', '']", told.stderr


def test_a_part_that_dies_is_restarted_with_a_printed_line(running: Run) -> None:
    worker = next(pid for pid, command in running.processes().items() if "--queues rates" in command)
    psutil.Process(_main_process(worker)).kill()
    assert "worker-rates" in running.line("died (terminated by SIGKILL)")
    assert "worker-rates" in running.line("is started again")


def test_workers_stand_back_for_web(running: Run) -> None:
    def niceness(words: str) -> set[int]:
        found = set()
        for pid, command in running.processes().items():
            with suppress(psutil.NoSuchProcess):  # of a worker that another test has killed
                if words in command:
                    found.add(psutil.Process(pid).nice())
        return found

    ours = psutil.Process().nice()
    assert niceness("project.wsgi") == {ours}
    assert niceness("--queues") == {min(ours + 10, 19)}


def _healthy(run: Run, part: str) -> bool:
    env = {
        "PATH": os.environ["PATH"],
        "READY_FILE": str(run.folder / "var/ready" / part),
        "HEALTH_MAX_AGE_SECONDS": "7",
    }
    return (
        subprocess.run(["bin/start", "health", part], cwd=run.folder, env=env, stderr=subprocess.DEVNULL).returncode
        == 0
    )


@pytest.mark.parametrize("part", ["worker-notifications", "beat", "relay"])
def test_a_part_that_hangs_is_unhealthy_until_it_goes_on(running: Run, part: str) -> None:
    eventually(lambda: _healthy(running, part), 30)
    words = {"beat": " beat", "relay": "manage.py relay"}.get(part, "--queues notifications")
    pid = next(pid for pid, command in running.processes().items() if words in command)
    main = psutil.Process(_main_process(pid))
    main.suspend()
    try:
        eventually(lambda: not _healthy(running, part), 30)
    finally:
        main.resume()
    eventually(lambda: _healthy(running, part), 30)


def test_web_is_ready_with_all_services(running: Run) -> None:
    answer = requests.get(f"{running.page}readyz", timeout=10)
    assert answer.json() == {"status": "ready", "database": "ok", "kafka": "ok", "redis": "ok"}


@pytest.fixture
def prometheus(running: Run, tmp_path: Path) -> Iterator[str]:
    """The address of a real Prometheus that scrapes all parts; the jobs are named as in deploy/prometheus."""
    program = shutil.which("prometheus")
    if program is None:
        if os.environ.get("REQUIRE_ALL"):
            pytest.fail("no Prometheus here: apt install prometheus")
        pytest.skip("no Prometheus here: apt install prometheus")
    targets = [
        {"job_name": part, "static_configs": [{"targets": [f"127.0.0.1:{METRICS_PORT + number}"]}]}
        for number, part in enumerate(PARTS)
    ]
    config = {"global": {"scrape_interval": "2s", "scrape_timeout": "2s"}, "scrape_configs": targets}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = ports.free_port()
    arguments = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    server = children.spawn(
        [program, *arguments, f"--web.listen-address=127.0.0.1:{port}"],
        at_parent_death=signal.SIGKILL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: ports.answers("127.0.0.1", port), 30)
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        children.end([server], grace=5)


def test_a_real_prometheus_gets_the_metrics_of_all_parts(running: Run, prometheus: str) -> None:
    def value(expression: str) -> float:
        answer = requests.get(f"{prometheus}/query", {"query": expression}, timeout=10).json()
        results = answer["data"]["result"]
        return float(results[0]["value"][1]) if results else 0.0

    running.ask("USD", 4712)
    running.line("To 4712:")
    eventually(lambda: value("sum(up)") == len(PARTS), 30)
    # Counted in a process of a pool, in the one that forks it, and in the web server's.
    eventually(lambda: value('sum(notifier_ended_total{outcome="delivered"})') >= 1, 30)
    eventually(lambda: value('sum(kafka_messages_total{job="worker-rates",event="acknowledged"})') >= 1, 30)
    eventually(lambda: value('sum(web_requests_total{view="rate-request-list",status="202"})') >= 1, 30)
    eventually(lambda: value("sum(state_known)") == 2, 30)
    names = set(requests.get(f"{prometheus}/label/__name__/values", timeout=10).json()["data"])
    asked = set().union(*(named(expression) for expression in expressions().values()))
    assert asked - names <= NOT_IN_THIS_RUN


def test_the_metrics_are_for_this_machine_alone(running: Run) -> None:
    listening = {c.laddr for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    ours = {address.ip for address in listening if METRICS_PORT <= address.port < METRICS_PORT + len(PARTS)}
    assert ours == {"127.0.0.1"}


def test_a_pools_process_that_was_killed_leaves_no_files(running: Run) -> None:
    folder = running.folder / "var" / "metrics" / "worker-notifications"
    pids = [pid for pid, command in running.processes().items() if "--queues notifications" in command]
    child = next(pid for pid in pids if pid != _main_process(pid))
    number = METRICS_PORT + PARTS.index("worker-notifications")
    psutil.Process(child).kill()

    def gone() -> bool:
        requests.get(f"http://127.0.0.1:{number}/metrics", timeout=10)
        return not list(folder.glob(f"*_{child}.db"))

    eventually(gone, 30)


def _main_process(worker: int) -> int:
    """A worker's pool has the same command: the main process is supervisord's child."""
    process = psutil.Process(worker)
    parent = process.parent()
    while parent is not None and "celery" in " ".join(parent.cmdline()):
        process, parent = parent, parent.parent()
    return process.pid


@pytest.mark.parametrize("when", ["Starting", "✓ Redis", "✓ Database"])
def test_a_signal_while_it_starts_leaves_nothing_behind(copy: Callable[[], Path], start: Start, when: str) -> None:
    run = start(copy())
    run.line(when)
    assert run.end(signal.SIGTERM) == 0
    assert not run.processes()
    assert not (run.folder / "var" / "run.env").exists()


def test_ctrl_c_and_a_second_start_keep_database_and_password(copy: Callable[[], Path], start: Start) -> None:
    """The second one has a wrong token too, which is told at the start and harms nothing else."""
    folder, port = copy(), str(ports.free_port())
    first = start(folder, PORT=port).ready()
    status_url = first.ask("USD", 1)
    first.line("To 1:")
    assert first.processes()
    # Twice, as an impatient user does it: nothing may be left then either.
    first.process.send_signal(signal.SIGINT)
    first.line("Stopping")
    assert first.end() == 0
    assert not first.processes()

    second = start(folder, PORT=port, BOT_TOKEN="wrong").ready()
    told = second.line("Delivery").split(maxsplit=1)[1]
    assert told == "messages go out by telegram, but none will: BOT_TOKEN is malformed"
    log = folder / "var/log/supervisord.log"
    eventually(lambda: "exited: bot (exit status 78" in log.read_text(), 60)
    assert second.line("password") == first.line("password")
    assert requests.get(status_url, timeout=10).json()["status"] == "delivered"
    assert second.end() == 0
    assert not second.processes()
    assert log.read_text().count("spawned: 'bot'") == 1


def test_what_the_embedded_broker_forgot_goes_out_after_a_restart(copy: Callable[[], Path], start: Start) -> None:
    """Nobody waits a quarter of an hour for what was on its way when bin/run was stopped."""
    with TelegramStandin() as telegram:
        folder = copy()
        bot = {"BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": telegram.url, "PORT": str(ports.free_port())}
        first = start(folder, **bot).ready()
        # It asks for patience, so the task waits in the broker.
        telegram.fail("429", retry_after=600, times=1)
        status_url = first.ask("USD", 7)
        eventually(lambda: requests.get(status_url, timeout=10).json()["error"] is not None, 60)
        assert first.end() == 0

        second = start(folder, **bot).ready()
        assert telegram.wait_messages(1, timeout=90)[0][0] == 7
        eventually(lambda: requests.get(status_url, timeout=10).json()["status"] == "delivered", 10)
        assert second.end() == 0


def test_after_a_kill_it_ends_the_leftovers_and_starts_again(copy: Callable[[], Path], start: Start) -> None:
    folder = copy()
    first = start(folder).ready()
    supervisord = next(pid for pid, command in first.processes().items() if "supervisord" in command)
    # Both at once: nobody is left to end the parts.
    psutil.Process(supervisord).kill()
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    orphans = set(first.processes())
    assert orphans

    second = start(folder)
    second.line("of an earlier bin/run that was killed")
    second.ready()
    assert not orphans & set(second.processes())
    assert second.end() == 0
    assert not second.processes()


def test_its_own_end_by_kill_ends_all_of_it(copy: Callable[[], Path], start: Start) -> None:
    run = start(copy())
    run.line("✓ Redis")
    processes = [psutil.Process(pid) for pid in run.processes()]
    run.end(signal.SIGKILL)
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive
