"""Steps that ask about records, without anybody being asked: the log answers, or nobody does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from datakit.ablation.silent import MissedError, Silent
from datakit.ablation.variants import NOT_ASKED
from datakit.errors import RequestError
from datakit.llm.budget import Budget
from datakit.llm.client import Client
from datakit.llm.log import ResponseLog
from datakit.llm.request import Request, Response
from datakit.llm.teacher import Teacher
from datakit.outcome import Drop
from datakit.record import Record
from datakit.running.asking import Asking
from datakit.running.pipeline import Pipeline
from datakit.store import Version

__all__ = ["Recalled", "Recalling", "asking_of", "recalled_of", "refusals_of"]


RefusedThere = Mapping[tuple[str, str], tuple[str, str]]


class Recalled(Client):
    """Answers what a step asks about records as it was answered before.

    A request that was refused then is refused again. One that was never sent, since the record did
    not come so far in the run, is refused as `not_asked`, or is a MissedError.

    Args:
        provider: Its teacher.
        teacher: The same as the pipeline names it.
        log: The answers.
        refused: Reason and message by the step and the id of the record that a refused request,
            or one that the budget did not allow, was about.
        strict: Whether a request that was never sent is an error.
    """

    def __init__(
        self,
        provider: Silent,
        teacher: Teacher,
        log: ResponseLog,
        refused: RefusedThere,
        *,
        strict: bool = False,
    ) -> None:
        super().__init__(
            provider, log, teacher.prices(), Budget(None), teacher.pace(), teacher.license
        )
        self.missed: list[Request] = []
        self.refusals = 0
        self._answers = log
        self._refused = refused
        self._strict = strict
        self._about: dict[str, tuple[str, str]] = {}

    def key(self, request: Request, occurrence: str) -> str:
        """Returns the key of a request, and notes which record it is about."""
        key = super().key(request, occurrence)
        # `step#kind/record/number`; an id of a record may have slashes of its own.
        label, _, rest = occurrence.partition("/")
        self._about[key] = (label.partition("#")[0], rest.rpartition("/")[0])
        return key

    async def ask(self, key: str, request: Request) -> tuple[Response, Decimal]:
        """Returns what the log holds; see `Client.ask`.

        Raises:
            RequestError: If the request was refused then, or never sent.
            MissedError: If it was never sent, where that is an error.
        """
        if key in self._answers:
            return await super().ask(key, request)
        reason, message = self._refused.get(self._about[key], ("", ""))
        # A run that asks again has more money than the one that its budget ended.
        if reason and not (reason == "budget" and self._strict):
            self.refusals += reason != "budget"
            raise RequestError(message, reason)
        self.missed.append(request)
        if self._strict:
            raise MissedError(f"a request of {request.chars:,} characters would be new")
        raise RequestError("nobody was asked about it", NOT_ASKED)

    def sync(self) -> None:
        """Does nothing: nothing is written."""


class Recalling(Asking):
    """An engine whose steps ask the log alone; see `Asking`."""

    async def _ask(self, step: Any, label: str, client: Client, record: Record) -> Any:  # noqa: ANN401
        try:
            return await super()._ask(step, label, client, record)
        except RequestError as error:
            # Not an error of a run, which may end for many of them: each is known to be one.
            return Drop(error.reason, message=str(error))


def recalled_of(
    pipeline: Pipeline,
    providers: Mapping[int, Silent],
    log: ResponseLog,
    refused: RefusedThere,
    *,
    strict: bool = False,
) -> dict[int, Recalled]:
    """Returns a client for each step that asks about records.

    Args:
        pipeline: The pipeline.
        providers: The teachers by the place of their step.
        log: The answers.
        refused: What `refusals_of` gives.
        strict: As for `Recalled`.
    """
    return {
        place: Recalled(provider, pipeline.teacher_of(place), log, refused, strict=strict)
        for place, provider in providers.items()
        if place not in pipeline.makers
    }


def asking_of(pipeline: Pipeline) -> list[Any]:
    """Returns the steps of a pipeline that ask about records."""
    return [pipeline.steps[at] for at in pipeline.askers if at not in pipeline.makers]


def refusals_of(version: Version, steps: Iterable[Any]) -> RefusedThere:
    """Returns reason and message by step and record, of each that was lost for want of an answer.

    That is by a request that was refused, or that the budget did not allow.

    Args:
        version: The version.
        steps: Those of the pipeline that ask about records.
    """
    names = {step.step_name for step in steps}
    return {
        (drop["step"], record.id): (drop["reason"], drop["detail"].get("message", "no budget"))
        for record, drop in version.iter_dropped()
        if drop["step"] in names and ("message" in drop["detail"] or drop["reason"] == "budget")
    }
