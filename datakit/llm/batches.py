"""Requests in batches: sent together, answered within a day, at half the price.

What was submitted is written down before and after, in an append-only file beside the log. A run
that is killed while it waits finds its batches again, and submits nothing twice; but for one that
was just on its way to Anthropic, whose batches cannot be found by a name.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from datakit.errors import BusyError, DatakitError, ProviderError, RequestError
from datakit.llm.request import Request, Response

__all__ = [
    "MOST",
    "Answers",
    "BatchApi",
    "BatchFormat",
    "Batches",
    "Batching",
    "Formatted",
    "rows_of",
]

T = TypeVar("T")

# Requests of one batch at most: half of what the stricter API takes, and well below its bytes.
MOST = 25_000
# A batch is submitted when so many seconds have passed without another request.
_LINGER = 1.0
# Seconds between two questions after a failed one, at most.
_LONGEST = 300.0

Answers = Mapping[str, Response | DatakitError]
"""By request key: the answer; a BusyError where it may have one in another batch; else an error."""


class BatchApi(Protocol):
    """The batch API of a provider."""

    async def submit(self, requests: Mapping[str, Request], token: str) -> str:
        """Submits requests, by their keys; returns the batch's id.

        Args:
            requests: By key, which is the `custom_id`.
            token: Names the batch where the API allows that.
        """
        ...

    async def find(self, token: str) -> str | None:
        """Returns the id of a batch by its token; None if there is none, or it cannot be known."""
        ...

    async def collect(self, id: str) -> Answers | None:
        """Returns the answers of a batch; None while it is under way."""
        ...


class BatchFormat(Protocol):
    """The lines of a provider's own files of requests and answers."""

    def line(self, key: str, request: Request) -> dict[str, Any]:
        """Returns a request as it stands in the file of requests; its key is the `custom_id`."""
        ...

    def read(self, row: Mapping[str, Any]) -> tuple[str, Response | DatakitError]:
        """Reads a line of the file of answers: the request's key, and its answer or why not.

        Raises:
            ValueError: If it is no such line.
        """
        ...


@runtime_checkable
class Formatted(Protocol):
    """A provider whose requests and answers have a form in files."""

    def batch_format(self) -> BatchFormat:
        """Returns that form."""
        ...


@runtime_checkable
class Batching(Protocol):
    """A provider that has batches."""

    def batches(self) -> BatchApi:
        """Returns its batch API."""
        ...


@dataclass
class _Submitted:
    """A batch that was, or may have been, submitted.

    Args:
        token: Its name, given before.
        keys: Of its requests.
        id: The provider's; None if it is not known whether it was submitted.
    """

    token: str
    keys: tuple[str, ...]
    id: str | None = None


@dataclass
class _Waiting:
    request: Request
    answer: asyncio.Future[Response]
    tries: int = 0


@dataclass
class _Queue:
    keys: dict[str, _Waiting] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None


class Batches:
    """Gathers the requests of a run into batches, and waits for their answers.

    Args:
        api: The provider's.
        path: Where submitted batches are written down.
        poll: Seconds between two questions whether a batch has ended.
        retries: How often a request is submitted again that expired or failed.
    """

    def __init__(
        self,
        api: BatchApi,
        path: Path,
        *,
        poll: float,
        retries: int,
    ) -> None:
        self._api, self._path = api, path
        self._poll, self._retries = poll, retries
        self._queue = _Queue()
        self._known = {key: each for each in _read(path) for key in each.keys}
        self._waited: dict[str, _Waiting] = {}
        # Of an earlier run that asked in another order: they will be asked for.
        self._early: dict[str, Response | DatakitError] = {}
        self._watched: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, key: str, request: Request) -> Response:
        """Has a request answered in a batch, its own or one that an earlier run submitted.

        Raises:
            RequestError: If it is refused for good, or has expired too often.
            ProviderError: If batches fail.
        """
        waiting = _Waiting(request, asyncio.get_running_loop().create_future())
        self._waited[key] = waiting
        if key in self._early:
            _settle(waiting.answer, self._early.pop(key))
            return await waiting.answer
        earlier = self._known.get(key)
        if earlier is None:
            self._enqueue(key, waiting)
        elif earlier.token not in self._watched:
            self._watched.add(earlier.token)
            self._begin(self._resume(earlier))
        return await waiting.answer

    def _enqueue(self, key: str, waiting: _Waiting) -> None:
        self._queue.keys[key] = waiting
        if self._queue.timer is not None:
            self._queue.timer.cancel()
        if len(self._queue.keys) >= MOST:
            self._flush()
        else:
            loop = asyncio.get_running_loop()
            self._queue.timer = loop.call_later(_LINGER, self._flush)

    def _flush(self) -> None:
        queue, self._queue = self._queue, _Queue()
        if queue.timer is not None:
            queue.timer.cancel()
        if queue.keys:
            self._begin(self._submit({key: each.request for key, each in queue.keys.items()}))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _submit(self, requests: Mapping[str, Request]) -> None:
        batch = _Submitted(uuid.uuid4().hex, tuple(requests))
        try:
            self._note(batch, requests)
            batch.id = await self._sent(requests, batch.token)
            self._note(batch)
            await self._watch(batch)
        except Exception as error:
            self._fail(requests, error)

    async def _resume(self, batch: _Submitted) -> None:
        """Goes on with a batch of an earlier run; one that never arrived is submitted now."""
        try:
            if batch.id is None:
                batch.id = await self._patiently(lambda: self._api.find(batch.token))
            if batch.id is None:
                self._again(batch.keys)
                return
            self._note(batch)
            await self._watch(batch)
        except Exception as error:
            self._fail(batch.keys, error)

    async def _watch(self, batch: _Submitted) -> None:
        for key in batch.keys:
            self._known[key] = batch
        self._watched.add(batch.token)
        while (answers := await self._patiently(lambda: self._api.collect(str(batch.id)))) is None:
            await asyncio.sleep(self._poll)
        again = []
        for key in batch.keys:
            said = answers.get(key, BusyError("the batch ended without it", "lost"))
            if isinstance(said, BusyError):
                again.append(key)
            elif key in self._waited:
                _settle(self._waited[key].answer, said)
            else:
                self._early[key] = said
        self._again(again)

    def _again(self, keys: Sequence[str]) -> None:
        """Submits requests once more, or gives them up."""
        for key in keys:
            self._known.pop(key, None)
            waiting = self._waited.get(key)
            if waiting is None or waiting.answer.done():
                continue
            waiting.tries += 1
            if waiting.tries > self._retries:
                text = f"expired or failed in {waiting.tries} batches"
                waiting.answer.set_exception(RequestError(text, reason="expired"))
            else:
                self._enqueue(key, waiting)

    async def _sent(self, requests: Mapping[str, Request], token: str) -> str:
        """Submits a batch; one whose fate is not known is looked for before it is sent again."""
        lost = False

        async def call() -> str:
            nonlocal lost
            if lost and (id := await self._api.find(token)):
                return id
            try:
                return await self._api.submit(requests, token)
            except BusyError as error:
                # Behind a server's error, too, it may have been made.
                lost = lost or error.kind not in ("rate", "unreached")
                raise

        return await self._patiently(call)

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Calls the API until it answers; what is only busy is asked again."""
        wait, attempt = min(self._poll, _LONGEST), 0
        while True:
            attempt += 1
            try:
                return await call()
            except RequestError as error:
                # A fault of the batch as a whole, or of its file: no record's own.
                raise ProviderError(error.problems) from None
            except BusyError as error:
                if attempt > self._retries:
                    raise ProviderError(error.problems) from None
                await asyncio.sleep(wait if error.after is None else error.after)
                wait = min(2 * wait, _LONGEST)

    def _fail(self, keys: Mapping[str, Request] | Sequence[str], error: Exception) -> None:
        for key in keys:
            waiting = self._waited.get(key)
            if waiting is not None and not waiting.answer.done():
                waiting.answer.set_exception(error)

    def _note(self, batch: _Submitted, requests: Mapping[str, Request] | None = None) -> None:
        row: dict[str, object] = {"token": batch.token, "id": batch.id}
        if requests is not None:
            row["requests"] = {key: each.payload() for key, each in requests.items()}
        with open(self._path, "a+b") as file:
            # What a killed process has left of its last line ends here.
            torn = file.tell() and (file.seek(-1, 2), file.read(1))[1] != b"\n"
            file.write((b"\n" if torn else b"") + json.dumps(row).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _settle(answer: asyncio.Future[Response], said: Response | DatakitError) -> None:
    if answer.done():
        return
    if isinstance(said, Response):
        answer.set_result(said)
    else:
        answer.set_exception(said)


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yields what was written down of batches: `token`, `id`, and once `requests` by key."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n"):
        with suppress(ValueError):
            yield json.loads(line)


def _read(path: Path) -> list[_Submitted]:
    found: dict[str, _Submitted] = {}
    for row in rows_of(path):
        if "requests" in row:
            found[row["token"]] = _Submitted(row["token"], tuple(row["requests"]))
        if row["id"] is not None and row["token"] in found:
            found[row["token"]].id = row["id"]
    return list(found.values())
