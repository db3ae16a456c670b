"""A stand-in for the Telegram Bot API: a local HTTP server that speaks its wire format.

In a test: `with TelegramStandin() as telegram: …`. As a process: `python -m tests.standins.telegram --port 0` prints
its address, and the rest is over HTTP:

    GET  /_messages             what was sent, oldest first: [{"chat_id": …, "text": …, "method": …, "at": …}]
    GET  /_calls                every call: [{"method": …, "params": {…}}]
    POST /_control              {"fail": {"kind": "429", "retry_after": 2, "times": 1, "method": "sendMessage",
                                "chat_id": 42}} adds a failure (see FAILURES), {"clear": true} forgets all
    POST /_updates              {"chat_id": 42, "text": "/start"} is what a person writes to the bot;
                                {"update": {"inline_query": {…}}} is any other update
    POST /bot<token>/<method>   the Bot API: getMe, sendMessage, sendPhoto, editMessageText, answerCallbackQuery,
                                answerInlineQuery, setMyCommands, getUpdates (long poll), setWebhook, deleteWebhook,
                                with a JSON, urlencoded or multipart body

The wire format is https://core.telegram.org/bots/api#making-requests; descriptions are those of the real service.
"""

import argparse
import json
import threading
import time
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TOKEN = "123456:AAExampleTokenOfTheStandin"
BOT = {"id": 123456, "is_bot": True, "first_name": "Rates", "username": "rates_standin_bot"}

# kind: status, description. Beside these: "429" (retry_after), "migrate" (to), "slow" (seconds), "cut", "garbage",
# and "cut_after", which takes the message and then cuts the connection.
FAILURES = {
    "400": (400, "Bad Request: message text is empty"),
    "chat_not_found": (400, "Bad Request: chat not found"),
    "401": (401, "Unauthorized"),
    "403": (403, "Forbidden: bot was blocked by the user"),
    "deactivated": (403, "Forbidden: user is deactivated"),
    "initiate": (403, "Forbidden: bot can't initiate conversation with a user"),
    "not_modified": (400, "Bad Request: message is not modified"),
    "500": (500, "Internal Server Error"),
}


@dataclass
class Failure:
    """`times` calls that fail: of one method, to one chat or to any."""

    kind: str
    times: int = 1
    method: str = "sendMessage"
    chat_id: int | None = None
    retry_after: int = 1
    to: int = 0
    seconds: float = 1.0

    def fits(self, method: str, params: dict[str, Any]) -> bool:
        same_chat = self.chat_id is None or str(params.get("chat_id")) == str(self.chat_id)
        return self.times > 0 and method == self.method and same_chat


@dataclass
class State:
    token: str = TOKEN
    messages: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    next_id: int = 1
    changed: threading.Condition = field(default_factory=threading.Condition)
    closing: bool = False

    def number(self) -> int:
        with self.changed:
            self.next_id += 1
            return self.next_id

    def take_failure(self, method: str, params: dict[str, Any]) -> Failure | None:
        with self.changed:
            found = next((one for one in self.failures if one.fits(method, params)), None)
            if found:
                found.times -= 1
            return found

    def add_message(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        text = params.get("text") or params.get("caption") or ""
        sent = {"chat_id": int(params["chat_id"]), "text": text, "method": method, "at": time.time()}
        with self.changed:
            self.messages.append(sent)
            self.changed.notify_all()
        return sent

    def chat(self, chat_id: int) -> dict[str, Any]:
        chat: dict[str, Any] = {"id": chat_id, "type": "private" if chat_id > 0 else "group"}
        return chat | ({"first_name": "Ada"} if chat_id > 0 else {"title": "Friends"})

    def add_text(self, chat_id: int, text: str, **person: Any) -> None:
        chat = self.chat(chat_id)
        message: dict[str, Any] = {"message_id": self.number(), "date": int(time.time()), "chat": chat}
        message |= {"from": {"id": abs(chat_id), "is_bot": False, "first_name": "Ada"} | person, "text": text}
        if text.startswith("/"):
            length = len(text.split()[0])
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": length}]
        self.add_update({"message": message})

    def add_press(self, chat_id: int, data: str) -> None:
        """A button below a message of the bot's is pressed."""
        message = {"message_id": self.number(), "date": int(time.time()), "chat": self.chat(chat_id), "text": "…"}
        person = {"id": abs(chat_id), "is_bot": False, "first_name": "Ada"}
        query = {"id": str(self.number()), "from": person, "chat_instance": "1", "data": data}
        self.add_update({"callback_query": query | {"message": message | {"from": BOT}}})

    def add_update(self, update: dict[str, Any]) -> None:
        with self.changed:
            self.next_id += 1
            self.updates.append({"update_id": self.next_id} | update)
            self.changed.notify_all()

    def wait_updates(self, offset: int, timeout: float) -> list[dict[str, Any]]:
        """The unconfirmed updates; an offset confirms those before it."""
        with self.changed:
            self.updates = [one for one in self.updates if one["update_id"] >= offset]
            self.changed.wait_for(lambda: self.updates or self.closing, timeout)
            return list(self.updates)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "TelegramServer"

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the path of a call contains the token."""

    def do_GET(self) -> None:
        self.route(urlsplit(self.path).path)

    do_POST = do_GET

    def route(self, path: str) -> None:
        params = self.params()
        if path.startswith("/bot"):
            token, _, method = path.removeprefix("/bot").partition("/")
            self.bot_api(token, method, params)
        elif path == "/_messages":
            self.reply(200, self.server.state.messages)
        elif path == "/_calls":
            self.reply(200, self.server.state.calls)
        elif path == "/_control":
            self.control(params)
        elif path == "/_updates":
            state = self.server.state
            if "update" in params:
                state.add_update(params["update"])
            else:
                state.add_text(int(params["chat_id"]), params["text"])
            self.reply(200, {"ok": True})
        else:
            self.error(404, "Not Found")

    def control(self, params: dict[str, Any]) -> None:
        state = self.server.state
        if params.get("clear"):
            state.failures.clear()
            state.messages.clear()
            state.calls.clear()
        if params.get("fail"):
            state.failures.append(Failure(**params["fail"]))
        self.reply(200, {"ok": True})

    def bot_api(self, token: str, method: str, params: dict[str, Any]) -> None:
        state = self.server.state
        state.calls.append({"method": method, "params": params})
        failure = state.take_failure(method, params)
        if failure and not self.fail(failure, method, params):
            return
        if token != state.token:
            # What isn't of a token's form is an unknown address to the real service.
            self.error(401, "Unauthorized") if ":" in token else self.error(404, "Not Found")
        elif method == "getMe":
            self.reply(200, {"ok": True, "result": BOT})
        elif method in ("sendMessage", "sendPhoto", "editMessageText"):
            self.send(method, params)
        elif method == "getUpdates":
            found = state.wait_updates(int(params.get("offset") or 0), float(params.get("timeout") or 0))
            self.reply(200, {"ok": True, "result": found})
        elif method in ("answerCallbackQuery", "answerInlineQuery", "setMyCommands"):
            self.reply(200, {"ok": True, "result": True})
        elif method in ("setWebhook", "deleteWebhook"):
            self.reply(200, {"ok": True, "result": True, "description": f"{method} done"})
        else:
            self.error(404, "Not Found")

    def send(self, method: str, params: dict[str, Any]) -> None:
        if method != "sendPhoto" and not params.get("text"):
            self.error(400, "Bad Request: message text is empty")
            return
        if len(params.get("text", "").encode("utf-16-le")) > 2 * 4096:
            self.error(400, "Bad Request: message is too long")
            return
        sent = self.server.state.add_message(method, params)
        chat = {"id": sent["chat_id"], "type": "private" if sent["chat_id"] > 0 else "group"}
        result = {"message_id": self.server.state.number(), "date": int(sent["at"]), "chat": chat}
        self.reply(200, {"ok": True, "result": result | {"text": sent["text"]}})

    def fail(self, failure: Failure, method: str, params: dict[str, Any]) -> bool:
        """Fail as asked; True where the call then goes on."""
        if failure.kind == "slow":
            with self.server.state.changed:
                self.server.state.changed.wait_for(lambda: self.server.state.closing, failure.seconds)
            return True
        if failure.kind == "cut_after":
            self.server.state.add_message(method, params)
        if failure.kind.startswith("cut"):
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{")
        elif failure.kind == "garbage":
            self.reply_bytes(502, b"<html>Bad Gateway: " + self.path.encode() + b"</html>", "text/html")
        elif failure.kind == "429":
            parameters = {"retry_after": failure.retry_after}
            self.error(429, f"Too Many Requests: retry after {failure.retry_after}", parameters)
        elif failure.kind == "migrate":
            parameters = {"migrate_to_chat_id": failure.to}
            self.error(400, "Bad Request: group chat was upgraded to a supergroup chat", parameters)
        else:
            self.error(*FAILURES[failure.kind])
        return False

    def params(self) -> dict[str, Any]:
        """The query's and the body's parameters; the body may be JSON, urlencoded or multipart."""
        found: dict[str, Any] = dict(parse_qsl(urlsplit(self.path).query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = self.read_chunks()
        kind = self.headers.get_content_type()
        if kind == "application/json":
            return found | json.loads(body or b"{}")
        if kind == "multipart/form-data":
            return found | multipart(self.headers["Content-Type"], body)
        return found | dict(parse_qsl(body.decode(), keep_blank_values=True))

    def read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def error(self, code: int, description: str, parameters: dict[str, Any] | None = None) -> None:
        answer: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
        self.reply(code, answer | ({"parameters": parameters} if parameters else {}))

    def reply(self, code: int, data: Any) -> None:
        self.reply_bytes(code, json.dumps(data, ensure_ascii=False).encode(), "application/json")

    def reply_bytes(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def multipart(content_type: str, body: bytes) -> dict[str, Any]:
    """The fields of a multipart form."""
    whole = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    found: dict[str, Any] = {}
    for part in whole.get_payload():
        assert isinstance(part, Message)
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        if filename := part.get_filename():
            found["file"] = {"name": filename, "size": len(payload), "begins": payload[:8].hex()}
            continue
        found[str(part.get_param("name", header="content-disposition"))] = payload.decode()
    return found


class TelegramServer(ThreadingHTTPServer):
    daemon_threads = True
    # Clients that go away while they are answered are part of the tests.
    request_queue_size = 128

    def __init__(self, port: int = 0, token: str = TOKEN, host: str = "127.0.0.1") -> None:
        super().__init__((host, port), Handler)
        self.host = host
        self.state = State(token)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up (a killed worker) is no error of the stand-in."""


class TelegramStandin:
    """The server in a thread: `url`, `messages`, fail(…), say(…)."""

    def __init__(self, token: str = TOKEN, host: str = "127.0.0.1") -> None:
        self.server = TelegramServer(token=token, host=host)
        self.state = self.server.state
        self.url = self.server.url
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> "TelegramStandin":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self.state.changed:
            self.state.closing = True
            self.state.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()

    @property
    def messages(self) -> list[tuple[int, str]]:
        return [(one["chat_id"], one["text"]) for one in self.state.messages]

    def fail(self, kind: str, **options: Any) -> None:
        self.state.failures.append(Failure(kind, **options))

    def say(self, chat_id: int, text: str, **person: Any) -> None:
        """A person writes to the bot; `person` adds to what Telegram tells of them (language_code …)."""
        self.state.add_text(chat_id, text, **person)

    def press(self, chat_id: int, data: str) -> None:
        """A person presses a button of the bot's."""
        self.state.add_press(chat_id, data)

    def calls(self, method: str) -> list[dict[str, Any]]:
        """The parameters of the calls of one method."""
        return [call["params"] for call in list(self.state.calls) if call["method"] == method]

    def wait_messages(self, count: int, timeout: float = 20) -> list[tuple[int, str]]:
        """The messages, once there are `count`; raises TimeoutError otherwise."""
        with self.state.changed:
            if not self.state.changed.wait_for(lambda: len(self.state.messages) >= count, timeout):
                raise TimeoutError(f"{len(self.state.messages)} of {count} messages within {timeout} s")
        return self.messages


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for the Telegram Bot API.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    options = parser.parse_args()
    server = TelegramServer(options.port, options.token)
    print(server.url, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
