"""A teacher on 127.0.0.1 that speaks the APIs of OpenAI, Together and Anthropic.

It answers the same request the same way.

    with serve(Plan(jitter=0.01)) as server:           in this process
        OpenAI("m", base_url=server.url)
    with spawn(tmp_path, Plan()) as server: ...        in its own, for tests that kill the client

An answer depends on the request's body alone, and so does the fault that hits it. Every request
that is answered is a line of `server.log`, written before the answer leaves.
"""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
import json
import os
import random
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# As OpenAI sends it: both, and the exact one counts.
_RETRY_AFTER = {"retry-after-ms": "5", "Retry-After": "1"}
_TEXT = (
    "river boat harbour lantern engine garden winter copper signal orchard violin ladder "
    "market harvest compass bridge candle meadow anchor pepper saddle timber ribbon quarry"
)
_WORDS = _TEXT.split()
_STATUS = {"bad_request": 400, "unauthorized": 401, "not_found": 404, "too_large": 413}
_STATUS |= {"unprocessable": 422, "rate_limit": 429, "server_error": 500, "overloaded": 529}
_STATUS["rate_limit_bare"] = 429
# What never becomes an answer.
_BROKEN = {"dropped", "reset", "hang", "half", "drip"}
_DRIP = 0.05


@dataclasses.dataclass
class Fault:
    """What goes wrong.

    Args:
        kind: `rate_limit`, `server_error`, `bad_request`, `unauthorized`, `not_found`,
            `too_large`, `unprocessable`, `overloaded`, `refusal`, `length`, `content_filter`,
            `malformed` (an answer that is no JSON), `garbage` (a body that is no JSON),
            `no_choices`, `null_choices`, `rate_limit_bare` (without Retry-After), `dropped` (the
            connection is closed), `reset` (it is broken off), `hang` (nothing comes), `half` (of
            the body, then the end) or `drip` (of the body, a byte now and then).
        share: Share of the requests that it hits.
        times: How often it hits one request; None is always.
        message: What the error says; `{key}` is the API key that was sent.
    """

    kind: str
    share: float = 1.0
    times: int | None = None
    message: str = "because the test says so"


@dataclasses.dataclass
class Plan:
    """How the server behaves.

    Args:
        faults: The first that hits counts.
        jitter: Most seconds that an answer takes; how many is drawn from the clock.
        salt: Changes all answers, as another model would.
        usage: Whether answers count their tokens.
        reply: What is answered to the body of a request; None leaves it to the server. Only where
            it runs in this process.
    """

    faults: list[Fault] = dataclasses.field(default_factory=list)
    jitter: float = 0.0
    salt: str = ""
    usage: bool = True
    reply: Callable[[dict[str, Any]], str | None] | None = None


class Server:
    """A server that runs; a change of `plan` counts where it runs in this process."""

    def __init__(self, url: str, log: Path, plan: Plan) -> None:
        self.url = f"{url}/v1"
        self.plan = plan
        self.log = log
        self._at = url.removeprefix("http://")

    def answered(self) -> list[dict[str, Any]]:
        """Returns what was answered so far: `body` (hash), `status`, `path`, `sent`, `fault`."""
        raw = self.log.read_bytes() if self.log.exists() else b""
        # The last line may be half written.
        return [json.loads(line) for line in raw.split(b"\n")[:-1]]

    def bodies(self) -> Counter[str]:
        """Returns how often each request was answered with 200."""
        return Counter(each["body"] for each in self.answered() if each["status"] == 200)

    def busy(self) -> int:
        """Returns the number of requests that are not answered yet."""
        connection = http.client.HTTPConnection(self._at, timeout=10)
        try:
            connection.request("GET", "/busy")
            return int(connection.getresponse().read())
        finally:
            connection.close()

    def settle(self) -> None:
        """Waits until nothing is under way."""
        while self.busy():
            time.sleep(0.01)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def setup(self) -> None:
        super().setup()
        # Head and body are two writes; Nagle's algorithm would hold the second back for 40 ms.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, str(self.server.busy).encode())

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.counting():
            self._answer(raw)

    def _answer(self, raw: bytes) -> None:
        plan, body = self.server.plan, json.loads(raw)
        name = hashlib.sha256(plan.salt.encode() + _canonical(body) + self.path.encode())
        chance = random.Random(name.digest())
        time.sleep(random.random() * plan.jitter)
        fault = self.server.fault(name.hexdigest(), chance.random())
        kind = fault.kind if fault else ""
        status = 0 if kind in _BROKEN else _STATUS.get(kind, 200)
        self.server.note(name.hexdigest(), status, self.path, body, kind)
        if kind in _BROKEN:
            self._break(kind, json.dumps(answer(self.path, body, chance, reply=plan.reply)))
            return
        if fault and status != 200:
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            key = key or self.headers.get("x-api-key", "")
            after = _RETRY_AFTER if kind == "rate_limit" else {}
            self._fail(status, fault.message.replace("{key}", key), after)
        elif kind == "garbage":
            self._send(200, b'{"id": "chatcmpl-1", "choi')
        else:
            made = answer(self.path, body, chance, kind, plan.reply)
            if not plan.usage:
                del made["usage"]
            self._send(200, json.dumps(made).encode())

    def _break(self, kind: str, text: str) -> None:
        self.close_connection = True
        if kind == "reset":
            # To close without lingering sends RST instead of FIN.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        elif kind == "dropped":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif kind == "half":
            self._send(200, text[: len(text) // 2].encode(), **{"Content-Length": str(len(text))})
        elif kind == "drip":
            self._send(200, b"", **{"Content-Length": str(len(text))})
            with suppress(OSError):
                for byte in text.encode():
                    if self._left(_DRIP):
                        return
                    self.wfile.write(bytes([byte]))
        else:
            self._left(60)

    def _left(self, seconds: float) -> bool:
        """Waits; tells whether the client has gone meanwhile."""
        return bool(select.select([self.connection], [], [], seconds)[0])

    def _fail(self, status: int, message: str, after: Mapping[str, str]) -> None:
        error = {"message": message, "type": "a_type", "param": None, "code": None}
        if self.path.endswith("/messages"):
            error = {"type": "a_type_error", "message": message}
        self._send(status, json.dumps({"type": "error", "error": error}).encode(), **after)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        try:
            self.send_response(status)
            head = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            for name, value in (head | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the client was killed


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, plan: Plan, log: Path, handler: type[_Handler] = _Handler) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.plan = plan
        self.busy = 0
        self._hits: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that was killed

    @contextmanager
    def counting(self) -> Iterator[None]:
        with self._lock:
            self.busy += 1
        try:
            yield
        finally:
            with self._lock:
                self.busy -= 1

    def fault(self, name: str, at: float) -> Fault | None:
        for fault in self.plan.faults:
            if at < fault.share:
                with self._lock:
                    self._hits[name] += 1
                    again = self._hits[name]
                return fault if fault.times is None or again <= fault.times else None
            at -= fault.share
        return None

    def note(self, name: str, status: int, path: str, body: dict[str, Any], fault: str) -> None:
        row = {"body": name, "status": status, "path": path, "sent": body, "fault": fault}
        os.write(self._log, json.dumps(row).encode() + b"\n")

    def server_close(self) -> None:
        super().server_close()
        os.close(self._log)


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True).encode()


def answer(
    path: str,
    body: dict[str, Any],
    chance: random.Random,
    kind: str = "",
    reply: Callable[[dict[str, Any]], str | None] | None = None,
) -> dict:
    """Returns the body of an answer, as the provider's own servers write it."""
    said = reply(body) if reply else None
    if path.endswith("/messages"):
        return _message(body, chance, kind, said)
    chat = path.endswith("/chat/completions")
    asked = body["messages"][-1]["content"] if chat else body["prompt"]
    choices, tokens = [], 0
    for index in range(body.get("n", 1)):
        text = said
        if text is None:
            text = _chat(asked, chance) if chat else _completion(asked, chance)
        text, finish = _cut(text, body, kind)
        if kind == "malformed":
            text = "Here you are: " + text[: len(text) // 3].replace("{", "[")
        tokens += len(text.split())
        choice: dict[str, Any] = {"index": index, "logprobs": None, "finish_reason": finish}
        if chat:
            refusal = "I cannot help with that." if kind == "refusal" else None
            content = None if refusal else text
            message = {"role": "assistant", "content": content, "refusal": refusal}
            choice["message"] = message | {"annotations": []}
        else:
            choice["text"] = text
        choices.append(choice)
    read = len(json.dumps(body.get("messages") or body["prompt"]).split())
    return {
        "id": "chatcmpl-1" if chat else "cmpl-1",
        "object": "chat.completion" if chat else "text_completion",
        "created": 1_700_000_000,
        "model": body["model"],
        # Servers do not promise an order.
        "choices": {"no_choices": [], "null_choices": None}.get(kind, choices[::-1]),
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": tokens,
            "total_tokens": read + tokens,
        },
        "system_fingerprint": "fp_1",
    }


def _message(
    body: dict[str, Any], chance: random.Random, kind: str, said: str | None
) -> dict[str, Any]:
    """Returns the body of an answer as Anthropic writes it."""
    text = _chat(body["messages"][-1]["content"], chance) if said is None else said
    text, finish = _cut(text, body | {"stop": body.get("stop_sequences")}, kind)
    reason = {"length": "max_tokens", "content_filter": "refusal"}.get(finish, "end_turn")
    if kind == "malformed":
        text = "Here you are: " + text[: len(text) // 3].replace("{", "[")
    if kind == "refusal":
        text, reason = "", "refusal"
    # Thinking is there without being asked for, and a text may come in parts.
    parts = [{"type": "thinking", "thinking": "", "signature": "x"}]
    parts += [{"type": "text", "text": each} for each in (text[:7], text[7:]) if each]
    cached = 12 if any("cache_control" in each for each in body.get("system", ())) else 0
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
        "content": None if kind in ("no_choices", "null_choices") else parts,
        "stop_reason": reason, "stop_sequence": None,
        "usage": {
            "input_tokens": len(json.dumps(body["messages"]).split()),
            "output_tokens": len(text.split()),
            "cache_creation_input_tokens": cached, "cache_read_input_tokens": 0,
        },
    }  # fmt: skip


def _cut(text: str, body: dict[str, Any], kind: str) -> tuple[str, str]:
    for stop in body.get("stop") or ():
        text = text.partition(stop)[0]
    words = re.findall(r"\s*\S+", text)
    most = body.get("max_tokens", 10**9)
    if kind == "length":
        most = min(most, max(1, len(words) // 2))
    if len(words) > most:
        return "".join(words[:most]), "length"
    return text, "content_filter" if kind == "content_filter" else "stop"


def _sentence(chance: random.Random) -> str:
    return " ".join(chance.choices(_WORDS, k=chance.randint(4, 9)))


def _item(chance: random.Random) -> dict[str, Any]:
    if chance.random() < 0.15:
        # There are few of these, so that some are duplicates.
        return {"instruction": f"Say {chance.choice(_WORDS)}.", "input": "", "output": "x" * 30}
    output = "No." if chance.random() < 0.1 else f"{_sentence(chance)}. {_sentence(chance)}."
    item = {"instruction": f"{_sentence(chance)}?", "input": "", "output": output}
    if chance.random() < 0.05:
        item["output"] = ["not", "a", "text"]
    if chance.random() < 0.2:
        item["instruction"] += " cafe\u0301"
    return item


def _chat(asked: str, chance: random.Random) -> str:
    found = re.search(r"Write (\d+) new ones as JSON", asked)
    if not found:
        return _sentence(chance)
    return json.dumps({"examples": [_item(chance) for _ in range(int(found[1]))]})


def _completion(asked: str, chance: random.Random) -> str:
    number = re.search(r"(?:Question|Example) (\d+)(?::|\nInstruction:)\Z", asked)
    if not number:
        return f" {_sentence(chance)}\n\n{_sentence(chance)}"
    at = int(number[1])
    if "Question" in number[0]:
        more = f"\n\nQuestion {at + 1}: {_sentence(chance)}"
        return f" {_sentence(chance)}?\nAnswer {at}: {_sentence(chance)}{more}"
    return f" {_sentence(chance)}?\nOutput: {_sentence(chance)}\n\nExample {at + 1}\n"


@contextmanager
def serve(
    plan: Plan | None = None, log: Path | None = None, handler: type[_Handler] = _Handler
) -> Iterator[Server]:
    """Runs a server in threads of this process."""
    with tempfile.TemporaryDirectory(prefix="loopback-") as folder:
        log, plan = log or Path(folder) / "answered.jsonl", plan or Plan()
        server = _Http(plan, log, handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield Server(f"http://127.0.0.1:{server.server_port}", log, plan)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@contextmanager
def spawn(folder: Path, plan: Plan | None = None) -> Iterator[Server]:
    """Runs a server in a process of its own, which ends with this block or with this process."""
    log, plan = folder / "answered.jsonl", plan or Plan()
    words = [sys.executable, __file__, str(log), json.dumps(dataclasses.asdict(plan))]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield Server(f"http://127.0.0.1:{int(process.stdout.readline())}", log, plan)
        finally:
            process.kill()


def _main(log: str, plan: str) -> None:
    given = json.loads(plan)
    faults = [Fault(**fault) for fault in given.pop("faults")]
    server = _Http(Plan(faults, **given), Path(log))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()  # ends when the test's process does


if __name__ == "__main__":
    _main(*sys.argv[1:])
