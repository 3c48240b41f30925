"""The page's server: loopback only, behind a random token, and closed by itself at the end.

    GET  /TOKEN/            the page
    GET  /TOKEN/state       what is answered, and the result once it is told
    GET  /TOKEN/item?at=N   one item
    POST /TOKEN/answer      {"at": N, "answer": CHOICE or null, "note": TEXT} -> the state
    POST /TOKEN/finish      {} -> the state with the result; no answer is taken after it

Other sites in the same browser are the threat: a name that is made to resolve to this machine is
refused by its Host, a foreign form or script by its Origin and Content-Type, and nobody can guess
the token. Nothing may be embedded, and there is no CORS.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import re
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from datakit.curate.answers import Answer, AnswerLog
from datakit.curate.page import policy, render
from datakit.curate.sheet import Sheet
from datakit.errors import RecordError
from datakit.strict import parse_object

__all__ = ["MAX_BODY", "RatingServer"]

MAX_BODY = 64 * 1024
_MAX_NOTE = 4_000
_IDLE_SECONDS = 60
_PLACE = re.compile(r"at=([0-9]{1,9})")
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer: with that, some browsers send no Origin with the page's own answers.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class _Refusal(Exception):
    """A request that is not carried out.

    Args:
        status: The HTTP status.
        why: What the page, or whoever asks, is told.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class RatingServer:
    """Serves one sheet until its result was asked for.

    Args:
        sheet: The items.
        log: Where the answers go; it stays open when the server is closed.
    """

    def __init__(self, sheet: Sheet, log: AnswerLog) -> None:
        self._sheet, self._log = sheet, log
        self._token = secrets.token_urlsafe(24)
        self._finished = threading.Event()
        self._guard = threading.Lock()
        self._told = False
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The page's address; who has it can rate."""
        return f"http://{self._server.authority}/{self._token}/"

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until all is rated and the result was asked for.

        Args:
            seconds: How long at most; None waits on.

        Returns:
            Whether that has happened.
        """
        return self._finished.wait(seconds)

    def close(self) -> None:
        """Ends the server. May be called again."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def get(self, path: str) -> tuple[bytes, str]:
        """Returns body and type of what a path stands for; called by the handler."""
        path, _, query = path.partition("?")
        name = self._named(path)
        if name == "":
            return render(self._sheet), "text/html; charset=utf-8"
        if name == "state":
            return _json(self._state())
        if name == "item":
            place = _PLACE.fullmatch(query)
            return _json(self._sheet.item(self._place(int(place[1]) if place else None)))
        raise _Refusal(404, "there is no such page")

    def post(self, path: str, body: Mapping[str, Any]) -> tuple[bytes, str]:
        """Carries out what was posted; called by the handler."""
        name = self._named(path)
        if name not in ("answer", "finish"):
            raise _Refusal(404, "there is no such page")
        # One at a time: no answer comes between the last look at the answers and the result.
        with self._guard:
            if name == "answer":
                self._answer(body)
            elif self._open():
                raise _Refusal(409, "not all is rated yet")
            else:
                self._told = True
            return _json(self._state())

    def done(self) -> None:
        """Lets `wait` go on if the result is told; called once the reply is out."""
        if self._told:
            self._finished.set()

    def _named(self, path: str) -> str:
        token, slash, name = path.removeprefix("/").partition("/")
        if not (hmac.compare_digest(token.encode(), self._token.encode()) and slash):
            raise _Refusal(404, "there is no such page")
        return name

    def _place(self, at: object) -> int:
        if type(at) is not int or not 0 <= at < len(self._sheet.ids):
            raise _Refusal(404, "there is no such item")
        return at

    def _open(self) -> int:
        return len(self._sheet.ids) - len(self._log.answers)

    def _answer(self, body: Mapping[str, Any]) -> None:
        item = self._sheet.ids[self._place(body.get("at"))]
        choice, note = body.get("answer"), body.get("note", "")
        if self._told:
            raise _Refusal(409, "the result is told; nothing can be changed any more")
        if not isinstance(note, str) or len(note) > _MAX_NOTE:
            raise _Refusal(400, f"a note is a text of at most {_MAX_NOTE:,} characters")
        known = isinstance(choice, str) and choice in self._sheet.choices
        if choice is not None and not known:
            raise _Refusal(400, "there is no such choice")
        try:
            self._log.add(item, None if choice is None else Answer(choice, note))
        except OSError as error:
            raise _Refusal(507, f"the answer was not saved: {error.strerror or error}") from None

    def _state(self) -> dict[str, Any]:
        answers = self._log.answers
        ids = self._sheet.ids
        places = {item: at for at, item in enumerate(ids)}
        last = next(reversed(answers), None)
        return {
            "answers": [answers[item].choice if item in answers else None for item in ids],
            "last": None if last is None else places[last],
            "last_note": "" if last is None else answers[last].note,
            "result": self._sheet.result(answers) if self._told else None,
        }


def _json(value: Mapping[str, Any]) -> tuple[bytes, str]:
    # ASCII, so that half characters get through.
    return json.dumps(value, allow_nan=False).encode(), "application/json"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # The threads of open browser connections would otherwise be waited for at the end.
    block_on_close = False

    def __init__(self, rating: RatingServer) -> None:
        self.rating = rating
        self._links: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.authority = f"127.0.0.1:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as above it
        """Notes a connection, and starts its thread."""
        self._links.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  as above it
        """Ends a connection, and forgets it."""
        self._links.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Ends the connections that browsers keep open: nothing is answered any more."""
        for link in self._links.copy():
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as above it
        """Says nothing of a browser that went away, which is no fault."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS

    def do_GET(self) -> None:
        self._run(lambda: self.server.rating.get(self.path))

    def do_POST(self) -> None:
        try:
            self._run(lambda: self.server.rating.post(self.path, self._body()))
        finally:
            self.server.rating.done()

    def _run(self, work: Callable[[], tuple[bytes, str]]) -> None:
        try:
            self._check_host()
            status, (body, kind) = 200, work()
        except _Refusal as refusal:
            # What was sent may still be unread, and must not be taken for the next request.
            self.close_connection = True
            status, (body, kind) = refusal.status, _json({"error": refusal.why})
        self._reply(status, body, kind)

    def _check_host(self) -> None:
        hosts = self.headers.get_all("Host", [])
        if hosts not in ([self.server.authority], [f"localhost:{self.server.server_port}"]):
            raise _Refusal(403, "this address is not served here")

    def _body(self) -> dict[str, Any]:
        if self.headers.get_all("Origin", []) != [f"http://{self.headers['Host']}"]:
            raise _Refusal(403, "only the page itself may answer")
        if self.headers.get_content_type() != "application/json":
            raise _Refusal(415, "want application/json")
        given = self.headers.get_all("Content-Length", [])
        if len(given) != 1 or "Transfer-Encoding" in self.headers or not given[0].isdecimal():
            raise _Refusal(411, "want one Content-Length")
        if len(given[0]) > 9 or int(given[0]) > MAX_BODY:
            raise _Refusal(413, f"want at most {MAX_BODY:,} bytes")
        try:
            return parse_object(self.rfile.read(int(given[0])), "body")
        except RecordError as error:
            raise _Refusal(400, str(error)) from None

    def _reply(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", policy())
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Replies to what http.server itself refuses, with our headers and without an echo."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self._reply(code, *_json({"error": "this request is not served"}))

    def version_string(self) -> str:
        """Names no version of anything."""
        return "datakit"

    def log_message(self, *_: object) -> None:
        """Prints nothing: the terminal is the command's."""
