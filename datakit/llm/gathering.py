"""A client that sends nothing: what the log does not answer is gathered, for others to answer."""

from __future__ import annotations

from decimal import Decimal

from datakit.errors import DatakitError
from datakit.llm.budget import Budget
from datakit.llm.client import Client
from datakit.llm.log import ResponseLog
from datakit.llm.request import Provider, Request, Response
from datakit.llm.teacher import Teacher

__all__ = ["Gathering", "UnansweredError"]


class UnansweredError(DatakitError):
    """A request has no answer yet: it was gathered, and the run cannot go on without it."""


class Gathering(Client):
    """Answers from the log alone, and keeps what it lacks.

    Args:
        provider: Who would answer; it is never asked.
        teacher: The same as the pipeline names it.
        log: The answers.
    """

    def __init__(self, provider: Provider, teacher: Teacher, log: ResponseLog) -> None:
        super().__init__(
            provider, log, teacher.prices(), Budget(None), teacher.pace(), teacher.license
        )
        self.teacher = teacher
        self.log = log
        self.open: dict[str, Request] = {}

    async def ask(self, key: str, request: Request) -> tuple[Response, Decimal]:
        """Returns what the log holds; see `Client.ask`.

        Raises:
            UnansweredError: If it holds nothing.
        """
        if key in self.log:
            return await super().ask(key, request)
        self.open[key] = request
        raise UnansweredError("a request has no answer yet")
