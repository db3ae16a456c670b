"""bin/run, once its environment is there: start all parts, tell where they are, stop all of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from project.local import children, demo, http, leftovers, lock, plan, ports, private
from project.local.follow import Follower
from project.local.kafka_libs import Missing
from project.local.plan import ROOT, Plan, Refused
from project.local.signals import Signals, Stop
from project.local.supervisor import Supervisor
from project.local.terminal import say, step

READY_SECONDS = 180
# A large database may take its time to migrate.
PREPARE_SECONDS = 600
GIVEN_SECONDS = 15
LEFTOVER_SECONDS = 25
# What plain commands need to join a running bin/run.
SHARED = ("KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "SECRET_KEY", "PORT")
PREPARE, QUEUE_IS_LOST = ["bin/start", "prepare"], "--queue-is-lost"
# In a private chat with the console: nobody's Telegram id.
DEMO_ID = 42
# Only who has asked may read the text: for the time of a demo that is this token.
DEMO_TOKEN = "bin/run --demo"
TOKEN_SECONDS = 60


class Runner:
    def __init__(self, var: Path) -> None:
        self.lock = lock.Lock(var)
        self.plan: Plan | None = None
        self.supervisor: Supervisor | None = None
        self.follower: Follower | None = None
        self.signals = Signals(again=self._at_once)

    def _at_once(self) -> None:
        """The first signal stops all in order; a further one doesn't wait for that."""
        if self.plan:
            leftovers.kill(self.plan.mark)

    def run(self, code: str, telegram_id: str) -> int:
        started = time.monotonic()
        earlier = self.lock.acquire()
        self.lock.note(mark=earlier)
        try:
            self.signals.check()
            if earlier and (count := leftovers.end(earlier, LEFTOVER_SECONDS)):
                say(f"Ended {count} processes of an earlier bin/run that was killed.")
            self._start(code, telegram_id)
            say(f"Ready after {time.monotonic() - started:.0f} s.\n")
            if code:
                return 0 if self._demo(code, telegram_id) else 1
            self._where()
            return self._wait()
        except Stop:
            say("\nStopping … (Ctrl-C again: at once)")
            return 130 if code else 0
        finally:
            self._stop()

    def _start(self, code: str, telegram_id: str) -> None:
        made = self.plan = plan.make()
        if code and not telegram_id:
            made.env["NOTIFIER_BACKEND"] = "console"  # nobody is written to by a demo without --to
        self.lock.note(mark=made.mark, url=made.url)
        say("Starting …")
        if made.port != made.wanted_port:
            say(f"  port {made.wanted_port} is busy, taking {made.port}")
        made.logs.mkdir(parents=True, exist_ok=True)
        for file in made.ready_file("x").parent.glob("*"):
            file.unlink()
        self.supervisor = Supervisor(made)
        self.supervisor.start()
        self.follower = Follower(
            self.supervisor, messages=not code, at_end=self.signals.wake, at_restart=self._restarted
        )
        self._services(made)
        self._share(made)
        self._prepare(made)
        self.supervisor.start_parts()
        self._parts(made)
        self.follower.talks = True

    def _restarted(self, part: str) -> None:
        """The embedded broker has forgotten what waited in it: the relay publishes that again."""
        assert self.plan is not None
        if part == "kafka" and not self.signals.asked:
            with (self.plan.logs / "prepare.log").open("ab") as log:
                subprocess.run([*PREPARE, QUEUE_IS_LOST], env=self.plan.env, cwd=ROOT, stdout=log, stderr=log)

    def _services(self, made: Plan) -> None:
        for name, port in (("Kafka", made.kafka_port), ("Redis", made.redis_port)):
            if port:
                with step(name, f"embedded, 127.0.0.1:{port}"):
                    self._until(
                        partial(ports.answers, "127.0.0.1", port),
                        f"the embedded {name} (see var/log/{name.lower()}.log)",
                        15,
                    )
        for name, addresses in made.given_services().items():
            where = ", ".join(f"{host}:{port}" for host, port in addresses)
            with step(name.partition("_")[0].title(), where):
                self._until(partial(any_answers, addresses), f"{where} ({name})", GIVEN_SECONDS)

    def _share(self, made: Plan) -> None:
        """project.settings reads this, so that `manage.py …` and `celery …` in another terminal join in."""
        lines = ["# Written by a running bin/run, removed when it ends."]
        lines += [f"{name}='{made.env[name]}'" for name in SHARED if made.env.get(name)]
        private.write(made.var / "run.env", "\n".join(lines) + "\n")

    def _prepare(self, made: Plan) -> None:
        self.password = made.env.get("ADMIN_PASSWORD") or private.secret(made.var / "admin_password", 12)
        log = made.logs / "prepare.log"
        with step("Database", "yours (DATABASE_URL)" if made.env.get("DATABASE_URL") else "var/db.sqlite3") as told:
            with log.open("wb") as output:
                process = children.spawn(
                    # The embedded broker begins with nothing.
                    [*PREPARE, QUEUE_IS_LOST] if made.kafka_port else PREPARE,
                    at_parent_death=signal.SIGKILL,
                    env={**made.env, "ADMIN_PASSWORD": self.password},
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            self._until(
                lambda: process.poll() is not None, "manage.py prepare (see var/log/prepare.log)", PREPARE_SECONDS
            )
            text = log.read_text(errors="replace")
            if process.returncode:
                raise children.NotReady(f"manage.py prepare failed: {text.strip() or process.returncode}")
            lines = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
            told.append(lines.get("bundled", "").rpartition("; ")[2].replace("newest", "newest sheet"))
            self.admin = lines.get("admin", "")
            self.delivery = lines.get("delivery", "")

    def _parts(self, made: Plan) -> None:
        waited: dict[str, Callable[[], bool]] = {
            part: made.ready_file(part).exists for part in made.parts if part not in ("web", "bot")
        }
        waited["web"] = lambda: http.answers(f"{made.url}/readyz")
        with step("Parts", ", ".join(made.parts)):
            for part, ready in waited.items():
                self._until(ready, f"{part} (see var/log/{part}.log)", READY_SECONDS)

    def _until(self, ready: Callable[[], bool], name: str, timeout: float) -> None:
        assert self.supervisor is not None and self.supervisor.process is not None

        def checked() -> bool:
            self.signals.check()
            return ready()

        children.wait_ready(self.supervisor.process, checked, name, timeout)

    def _where(self) -> None:
        made = self.plan
        assert made is not None
        password = self.password if self.admin != "changed" else "as you changed it"
        for name, text in (
            ("Page", f"{made.url}/"),
            ("API", f"{made.url}/api/v1/"),
            ("API docs", f"{made.url}/api/v1/docs/"),
            ("Admin", f"{made.url}/admin/"),
            ("", f"user admin, password {password}"),
            ("Delivery", self._delivery(made)),
            ("Logs", f"{made.logs.relative_to(ROOT)}/"),
        ):
            say(f"  {name:9} {text}")
        say("\nCtrl-C stops all of it.")

    def _delivery(self, made: Plan) -> str:
        backend = made.env.get("NOTIFIER_BACKEND") or ("telegram" if made.bot else "console")
        delivery = "console: messages appear below" if backend == "console" else self.delivery
        return delivery if made.bot else f"{delivery} (no BOT_TOKEN, so no bot)"

    def _demo(self, code: str, telegram_id: str) -> bool:
        assert self.plan is not None
        say(f"  Delivery  {self._delivery(self.plan)}\n")
        token = self._api_token(DEMO_TOKEN, "--scopes", "read,request")
        try:
            return demo.run(self.plan.url, code.upper(), int(telegram_id or DEMO_ID), token, self.signals.check)
        finally:
            self._api_token(DEMO_TOKEN, "--revoke")

    def _api_token(self, *arguments: str) -> str:
        """What `manage.py api_token` prints."""
        assert self.plan is not None
        command = [sys.executable, "manage.py", "api_token", *arguments]
        done = subprocess.run(
            command, env=self.plan.env, cwd=ROOT, capture_output=True, text=True, timeout=TOKEN_SECONDS
        )
        if done.returncode:
            raise children.NotReady(f"manage.py api_token failed: {done.stderr.strip()}")
        return done.stdout.strip()

    def _wait(self) -> NoReturn:
        assert self.supervisor is not None and self.supervisor.process is not None
        self.signals.wait()
        code = self.supervisor.process.wait()
        raise children.NotReady(f"supervisord ended (exit {code}), see var/log/supervisord.log")

    def _stop(self) -> None:
        self.signals.asked = True  # from here on a signal means: at once
        if self.follower:
            self.follower.talks = False
        if self.supervisor:
            self.supervisor.stop()
        if self.plan:
            leftovers.end(self.plan.mark, grace=0)
            (self.plan.var / "run.env").unlink(missing_ok=True)
        self.lock.clear()


def any_answers(addresses: list[tuple[str, int]]) -> bool:
    return any(ports.answers(host, port) for host, port in addresses)


def refuse_second(note: dict[str, Any]) -> NoReturn:
    url = f": {note['url']}/" if note.get("url") else ", it is just starting"
    sys.exit(f"bin/run: it runs in this folder already (pid {note.get('pid', 'unknown')}){url}")


def main() -> int:
    code, telegram_id = sys.argv[1:]
    os.chdir(ROOT)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    private.folder(ROOT / "var")
    runner = Runner(ROOT / "var")
    try:
        return runner.run(code, telegram_id)
    except lock.Taken as taken:
        refuse_second(taken.note)
    except (Refused, Missing, children.NotReady, OSError) as error:
        print(f"bin/run: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
