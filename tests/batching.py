"""The batch APIs of OpenAI and Anthropic on 127.0.0.1, on top of `tests.loopback`.

    with batching(Flaw(expired=0.3)) as (server, batches): ...

`batches` lists what was submitted. Answers come in another order than the requests.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import Plan, Server, _Handler, answer, serve

Row = dict[str, Any]


@dataclass
class Flaw:
    """What goes wrong with batches.

    Args:
        polls: How often a batch is still under way when it is asked about.
        expired: Share of the requests that expire; only in the first `times` batches.
        errored: Share that a server error ends, likewise.
        refused: Share that is refused as a wrong request, always.
        times: Batches that go wrong.
        stranger: Whether there is an answer to a request that nobody made.
        missing: Whether the first answer is left out, likewise.
        failed: Whether the batch fails as a whole.
        unfit: Whether it is refused when it is submitted.
        lost: Whether the connection is lost after a batch was taken, likewise.
    """

    polls: int = 1
    expired: float = 0.0
    errored: float = 0.0
    refused: float = 0.0
    times: int = 1
    stranger: bool = False
    missing: bool = False
    failed: bool = False
    lost: bool = False
    unfit: bool = False


@dataclass
class Taken:
    """One batch.

    Args:
        id: Its id.
        bodies: Of its requests, by `custom_id`.
        token: Metadata that it was submitted with.
        asked: How often it was asked about.
    """

    id: str
    bodies: dict[str, dict[str, Any]]
    token: dict[str, str] = field(default_factory=dict)
    asked: int = 0


class _Batching(_Handler):
    flaw: Flaw
    taken: list[Taken]
    files: dict[str, dict[str, dict[str, Any]]]

    def do_GET(self) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")[1:]
        if parts == ["batches"]:
            listed = [self._openai(each) for each in self.taken]
            self._json({"object": "list", "data": listed, "has_more": False})
        elif parts[0] == "batches":
            self._json(self._openai(self._asked(parts[1])))
        elif parts[0] == "files":
            self._lines(self._of(parts[1].partition("-")[2]), "openai")
        elif parts[:2] == ["messages", "batches"] and parts[-1] == "results":
            self._lines(self._of(parts[2]), "anthropic")
        elif parts[:2] == ["messages", "batches"]:
            self._json(self._anthropic(self._asked(parts[2])))
        else:
            super().do_GET()

    def do_POST(self) -> None:
        path = self.path.removeprefix("/v1").partition("?")[0]
        if path not in ("/files", "/batches", "/messages/batches"):
            super().do_POST()
            return
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if self.flaw.unfit:
            self._fail(400, "because the test says so", {})
            return
        if path == "/files":
            rows = map(json.loads, self._upload(raw).splitlines())
            id = f"file-{len(self.files)}"
            self.files[id] = {row["custom_id"]: row["body"] for row in rows}
            known = {"id": id, "object": "file", "bytes": len(raw), "created_at": 0}
            self._json({**known, "filename": "x", "purpose": "batch", "status": "processed"})
            return
        sent = json.loads(raw)
        if path == "/batches":
            taken = self._take(self.files[sent["input_file_id"]], sent.get("metadata") or {})
            made = self._openai(taken)
        else:
            taken = self._take({each["custom_id"]: each["params"] for each in sent["requests"]}, {})
            made = self._anthropic(taken)
        if self.flaw.lost and len(self.taken) <= self.flaw.times:
            self.close_connection = True
            return
        self._json(made)

    def _upload(self, raw: bytes) -> str:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parsed = email.parser.BytesParser(policy=email.policy.default).parsebytes(head + raw)
        parts = {
            each.get_param("name", header="content-disposition"): each
            for each in parsed.iter_parts()
        }
        return parts["file"].get_payload(decode=True).decode()

    def _take(self, bodies: dict[str, dict[str, Any]], token: dict[str, str]) -> Taken:
        self.taken.append(Taken(f"b{len(self.taken)}", bodies, token))
        return self.taken[-1]

    def _of(self, id: str) -> Taken:
        return next(each for each in self.taken if each.id == id)

    def _asked(self, id: str) -> Taken:
        taken = self._of(id)
        taken.asked += 1
        return taken

    def _openai(self, it: Taken) -> dict[str, Any]:
        status = "completed" if it.asked > self.flaw.polls else "in_progress"
        errors = None
        if self.flaw.failed:
            status, errors = "failed", {"object": "list", "data": [{"message": "no such model"}]}
        return {
            "id": it.id, "object": "batch", "endpoint": "/v1/chat/completions", "created_at": 0,
            "input_file_id": "f", "completion_window": "24h", "status": status, "errors": errors,
            "output_file_id": f"out-{it.id}" if status == "completed" else None,
            "metadata": it.token,
        }  # fmt: skip

    def _anthropic(self, it: Taken) -> dict[str, Any]:
        now = "2026-01-01T00:00:00Z"
        ended = it.asked > self.flaw.polls
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        return {
            "id": it.id, "type": "message_batch", "created_at": now, "expires_at": now,
            "processing_status": "ended" if ended else "in_progress", "request_counts": counts,
            "results_url": f"http://{self.headers['Host']}/v1/messages/batches/{it.id}/results",
            "ended_at": None, "archived_at": None, "cancel_initiated_at": None,
        }  # fmt: skip

    def _lines(self, it: Taken, api: str) -> None:
        rows = [self._row(it, key, body, api) for key, body in it.bodies.items()][::-1]
        if self.flaw.missing and it.id == "b0":
            rows = rows[1:]
        if self.flaw.stranger:
            rows.insert(0, self._row(it, "stranger", next(iter(it.bodies.values())), api))
        raw = "".join(json.dumps(row) + "\n" for row in rows).encode()
        self._send(200, raw)

    def _row(self, it: Taken, key: str, body: dict[str, Any], api: str) -> dict[str, Any]:
        chance = random.Random(json.dumps(body, sort_keys=True))
        at, wrong = chance.random(), self.taken.index(it) < self.flaw.times
        at -= self.flaw.refused
        kind = "refused" if at < 0 else "ok"
        if kind == "ok" and wrong:
            kind = "expired" if at < self.flaw.expired else kind
            kind = (
                "errored"
                if self.flaw.expired <= at < self.flaw.expired + self.flaw.errored
                else kind
            )
        said = self.server.plan.reply
        return (_of_openai if api == "openai" else _of_anthropic)(key, body, chance, kind, said)

    def _json(self, value: dict[str, Any]) -> None:
        self._send(200, json.dumps(value).encode())


Said = Callable[[dict[str, Any]], str | None] | None


def _of_openai(key: str, body: dict[str, Any], chance: random.Random, kind: str, said: Said) -> Row:
    row: dict[str, Any] = {"id": "r", "custom_id": key, "response": None, "error": None}
    if kind == "expired":
        return row | {"error": {"code": "batch_expired", "message": "it expired"}}
    status = {"refused": 400, "errored": 500}.get(kind, 200)
    made = answer("/v1/chat/completions", body, chance, "", said)
    wrong = {"error": {"message": "because the test says so"}}
    return row | {"response": {"status_code": status, "body": made if status == 200 else wrong}}


def _of_anthropic(
    key: str, body: dict[str, Any], chance: random.Random, kind: str, said: Said
) -> Row:
    if kind == "expired":
        return {"custom_id": key, "result": {"type": "expired"}}
    if kind in ("refused", "errored"):
        name = "invalid_request_error" if kind == "refused" else "api_error"
        error = {"type": "error", "error": {"type": name, "message": "because the test says so"}}
        return {"custom_id": key, "result": {"type": "errored", "error": error}}
    message = answer("/v1/messages", body, chance, "", said)
    return {"custom_id": key, "result": {"type": "succeeded", "message": message}}


@contextmanager
def batching(flaw: Flaw | None = None) -> Iterator[tuple[Server, list[Taken]]]:
    """Runs a server with batches; yields it and what it takes."""
    taken: list[Taken] = []
    own = type("Own", (_Batching,), {"flaw": flaw or Flaw(), "taken": taken, "files": {}})
    with serve(Plan(), handler=own) as server:
        yield server, taken
