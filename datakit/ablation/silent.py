"""A teacher that is never asked: its clients answer from the log, and know what was refused."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from datakit.errors import BudgetError, DatakitError, RequestError
from datakit.fingerprint import made_id
from datakit.llm.budget import Budget
from datakit.llm.client import Client
from datakit.llm.log import ResponseLog
from datakit.llm.request import Request, Response
from datakit.llm.teacher import Teacher, open_provider
from datakit.outcome import Drop

__all__ = ["GrowingClient", "LoggedClient", "MissedError", "Refused", "Silent"]

Refused = Mapping[str, tuple[str, str]]
"""Reason and message by the id of the candidate that a refused call of a `make` step left."""

_NEW = "no_answer", "the log has no answer to it"


class MissedError(DatakitError):
    """A request that the log does not answer; it was not sent."""


class Silent:
    """Stands for a teacher: has its identity, and sends nothing. It needs no key.

    Args:
        teacher: The teacher.

    Raises:
        InputError: If the file of an embedded model, by which it is known, is missing.
    """

    def __init__(self, teacher: Teacher) -> None:
        # Any key: a provider without one is refused, and this one is never used.
        inner = open_provider(teacher, api_key="unused")
        self.model = inner.model
        self.form = inner.form
        self.knobs = inner.knobs
        self._inner = inner

    def identity(self) -> dict[str, Any]:
        """Returns the identity of the teacher."""
        return self._inner.identity()

    async def send(self, request: Request) -> Response:
        """Sends nothing.

        Raises:
            MissedError: Always.
        """
        raise MissedError(f"a request of {request.chars:,} characters would be new")

    async def close(self) -> None:
        """Does nothing: nothing was opened."""


class LoggedClient(Client):
    """Answers the requests of one step about records as they were answered before.

    A request without an answer is refused. `datakit.ablation.replayed`, which knows what the run
    was told, decides what that means for the record.

    Args:
        provider: The teacher of the step.
        teacher: The same as the pipeline names it.
        log: The answers.
    """

    def __init__(self, provider: Silent, teacher: Teacher, log: ResponseLog) -> None:
        super().__init__(
            provider, log, teacher.prices(), Budget(None), teacher.pace(), teacher.license
        )
        self.answers = log
        self.missed: list[Request] = []
        self.refusals = 0
        self.unasked = 0
        self.lost: list[Request] = []
        self._words = _NEW

    def begin(self, told: Drop | None) -> None:
        """Begins the call about a record.

        Args:
            told: Why the run dropped the record here, if it did.
        """
        self.lost = []
        self._words = _NEW
        if told is not None and "message" in told.detail:
            self._words = told.reason, str(told.detail["message"])

    async def ask(self, key: str, request: Request) -> tuple[Response, Decimal]:
        """Returns what the log holds; see `Client.ask`.

        Raises:
            RequestError: If it holds nothing.
        """
        if key in self.answers:
            return await super().ask(key, request)
        self.lost.append(request)
        reason, message = self._words
        raise RequestError(message, reason)

    def sync(self) -> None:
        """Does nothing: nothing is written."""


class GrowingClient(LoggedClient):
    """Answers the requests of one `make` step as they were answered before.

    A request that was refused then is refused again, with the same words: the log holds answers
    only, but the version holds the refused candidate.

    Args:
        step: The step.
        provider: Its teacher.
        teacher: The same as the pipeline names it.
        log: The answers.
        refused: Of the version.
        rounds: Rounds after which the budget ended the run; None for one that it did not end.
        strict: Whether a new request ends it all. Else it is refused, as one may have been whose
            refusal its step overlooked; whether that was right shows in what comes of it.
    """

    def __init__(
        self,
        step: object,
        provider: Silent,
        teacher: Teacher,
        log: ResponseLog,
        refused: Refused,
        *,
        rounds: int | None = None,
        strict: bool = False,
    ) -> None:
        super().__init__(provider, teacher, log)
        self._step = step
        self._refused = refused
        self._rounds = rounds
        self._strict = strict
        self._calls: dict[str, list[str]] = defaultdict(list)
        self._call_of: dict[str, str] = {}

    def key(self, request: Request, occurrence: str) -> str:
        """Returns the key of a request, and notes in which call of the step it is asked."""
        key = super().key(request, occurrence)
        call = occurrence.rpartition("/")[0]
        self._calls[call].append(self.name(request, occurrence))
        self._call_of[key] = call
        return key

    async def ask(self, key: str, request: Request) -> tuple[Response, Decimal]:
        """Returns what the log holds; see `Client.ask`.

        Raises:
            RequestError: If the request was refused then.
            BudgetError: If the run had ended before.
            MissedError: If the request would be new.
        """
        call = self._call_of[key]
        if self._rounds is not None and int(call.split("/")[1]) >= self._rounds:
            raise BudgetError("the budget ended the run before this round")
        if key in self.answers:
            return await super().ask(key, request)
        # Requests that a step asks at once are all noted before it is told of the first.
        await asyncio.sleep(0)
        refused = self._refused.get(made_id(self._step, (), tuple(self._calls[call]), 0))
        if refused:
            self.refusals += 1
            reason, message = refused
            raise RequestError(message, reason)
        self.missed.append(request)
        if self._strict:
            raise MissedError(f"a request of {request.chars:,} characters would be new")
        return await super().ask(key, request)
