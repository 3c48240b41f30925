"""A teacher that is never asked: its client answers from the log, and refuses what is new."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from datakit.errors import BudgetError, DatakitError, RequestError
from datakit.fingerprint import made_id
from datakit.llm.budget import Budget
from datakit.llm.client import Client
from datakit.llm.log import ResponseLog
from datakit.llm.request import Request, Response
from datakit.llm.teacher import Teacher, open_provider

__all__ = ["Cut", "MissedError", "Refused", "Replayed", "Silent"]

Refused = Mapping[str, tuple[str, str]]


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


@dataclass
class Cut:
    """Whether a budget has ended a run; all its clients share it."""

    at_miss: bool = False
    reached: bool = False


class Replayed(Client):
    """Answers the requests of one `make` step as they were answered before.

    A request that was refused then is refused again, with the same words: the log holds answers
    only, but the version holds the refused candidate.

    Args:
        step: The step.
        provider: Its teacher.
        teacher: The same as the pipeline names it.
        log: The answers.
        refused: Reason and message by the id of the candidate that a refused request left.
        cut: Whether the first new request is where the budget ended the run.
    """

    def __init__(
        self,
        step: object,
        provider: Silent,
        teacher: Teacher,
        log: ResponseLog,
        refused: Refused,
        cut: Cut | None = None,
    ) -> None:
        super().__init__(
            provider, log, teacher.prices(), Budget(None), teacher.pace(), teacher.license
        )
        self.missed: list[Request] = []
        self.refusals = 0
        self._step = step
        self._answers = log
        self._refused = refused
        self._cut = cut or Cut()
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
            BudgetError: If the budget ended the run here.
            MissedError: If the request would be new.
        """
        if key in self._answers and not self._cut.reached:
            return await super().ask(key, request)
        # Requests that a step asks at once are all noted before it is told of the first.
        await asyncio.sleep(0)
        names = tuple(self._calls[self._call_of[key]])
        refused = self._refused.get(made_id(self._step, (), names, 0))
        if refused and not self._cut.reached:
            self.refusals += 1
            reason, message = refused
            raise RequestError(message, reason)
        self.missed.append(request)
        if self._cut.at_miss:
            self._cut.reached = True
            raise BudgetError("the budget ended the run here")
        raise MissedError(f"a request of {request.chars:,} characters would be new")

    def sync(self) -> None:
        """Does nothing: nothing is written."""
