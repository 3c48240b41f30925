"""A run as far as its log answers it, and what it would ask from there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from datakit.api import prepare
from datakit.carrying import Prepared, Run, carry_out
from datakit.errors import InputError
from datakit.llm.batches import BatchFormat, Formatted
from datakit.llm.client import Client
from datakit.llm.gathering import Gathering, UnansweredError
from datakit.llm.log import ResponseLog
from datakit.llm.request import Provider, Request
from datakit.llm.teacher import Teacher, open_provider
from datakit.record import Record
from datakit.running.asking import Asking
from datakit.running.pipeline import Pipeline

__all__ = ["Asked", "opened", "walk"]

_WAITING = object()


class _Waiting(Asking):
    """Carries steps out, as far as that does not hang on an answer that is not there yet.

    Records that are answered go on: what later steps ask about them does not hang on the others,
    unless a step has to see all records. That one is not begun.
    """

    async def ask(self, step: Any, record: Record) -> Any:  # noqa: ANN401  as the verb
        """Returns what a step says of one record; `_WAITING` if that needs another answer."""
        try:
            return await super().ask(step, record)
        except UnansweredError:
            return _WAITING

    def map(self, step: object, records: Iterable[Record]) -> Iterator[tuple[Record, Any]]:
        """Yields each record that is answered with what the step says; see `Engine`.

        Raises:
            UnansweredError: At the end, if another is not, here or in a step before.
        """
        there = _Held(records)
        for record, said in super().map(step, there):
            if said is _WAITING:
                there.waits = there.waits or UnansweredError("a record waits for an answer")
            else:
                yield record, said
        if there.waits:
            raise there.waits


class _Held:
    """Records up to where one before them waits: a step that reads ahead must not lose the rest."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.waits: UnansweredError | None = None
        self._records = records

    def __iter__(self) -> Iterator[Record]:
        try:
            yield from self._records
        except UnansweredError as error:
            self.waits = error


@dataclass(frozen=True)
class Asked:
    """What one teacher would be asked now.

    Args:
        teacher: The teacher.
        format: The lines of its files.
        model: Its model, as answers name it.
        open: The requests, by key.
        at: The teacher's number among those of the pipeline, from 1.
    """

    teacher: Teacher
    format: BatchFormat
    model: str
    open: dict[str, Request]
    at: int


def opened(
    pipeline: str | Path | Pipeline,
    *,
    store: str | Path | None = None,
    name: str | None = None,
    limit: int | None = None,
) -> Prepared:
    """Opens and reads what a run needs, but no key; see `datakit.run` for the arguments.

    Raises:
        InputError: With everything that is wrong, at once; or if nobody is asked.
    """
    # Any key: a provider without one is refused, and this one is never used.
    opener = partial(open_provider, api_key="unused")
    prepared = prepare(pipeline, store=store, name=name, limit=limit, opener=opener)
    if not prepared.pipeline.askers:
        raise InputError(f"{prepared.pipeline.name}: asks no teacher. Run it: datakit run PIPELINE")
    return prepared


def walk(prepared: Prepared) -> tuple[Run | None, list[Asked]]:
    """Carries a run out as far as its log answers it.

    Returns:
        The run, if all is answered; and what each teacher would be asked now.
    """
    gathered: dict[int, Gathering] = {}

    def clients(log: ResponseLog) -> dict[int, Client]:
        made: dict[int, Client] = {}
        for place, provider in prepared.providers.items():
            if id(provider) not in gathered:
                teacher = prepared.pipeline.teacher_of(place)
                gathered[id(provider)] = Gathering(provider, teacher, log)
            made[place] = gathered[id(provider)].apart()
        return made

    try:
        run = carry_out(prepared, clients, asking=_Waiting)
    except UnansweredError:
        asked = [
            Asked(each.teacher, _format(each.provider), each.provider.model, each.open, at)
            for at, each in enumerate(gathered.values(), 1)
            if each.open
        ]
        return None, asked
    return run, []


def _format(provider: Provider) -> BatchFormat:
    if not isinstance(provider, Formatted):
        raise InputError(f"{provider.model}: its requests have no form in files.")
    return provider.batch_format()
