"""Answers from files into the log; those to other requests are refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datakit.carrying import LOG
from datakit.errors import BusyError, DatakitError, InputError, RequestError
from datakit.llm.log import ResponseLog
from datakit.llm.request import Request, Response, Sample, Usage
from datakit.offline.walking import Asked, opened, walk
from datakit.rows import read_rows
from datakit.running.pipeline import Pipeline

__all__ = ["Imported", "import_batch"]

_MOST_TOLD = 20
_EXPORT = "datakit batch export PIPELINE -o FILE"


@dataclass(frozen=True)
class Imported:
    """What an import came to.

    Args:
        taken: Answers that are new in the log, those that say no included.
        there: Answers that were in the log already.
        refused: Of those that were taken, requests that the provider refused for good.
        unanswered: Lines without an answer, such as of an expired request; it stays open.
        left: Requests that are still open.
    """

    taken: int
    there: int
    refused: int
    unanswered: int
    left: int


def import_batch(
    pipeline: str | Path | Pipeline,
    paths: Sequence[str | Path],
    *,
    store: str | Path | None = None,
    name: str | None = None,
    limit: int | None = None,
) -> Imported:
    """Takes answers to what `export_batch` wrote into the log.

    A line is one of the provider's file of answers, or `{"custom_id": ..., "text": ...}`, where
    `text` is a text, or a list of as many as were asked for. All files are read before anything is
    written. An answer to a request that the run does not make is a mistake, and so is a second one.

    Args:
        pipeline: The pipeline that was exported.
        paths: Files of answers.
        store: The folder of versions.
        name: As for the export.
        limit: As for the export.

    Raises:
        InputError: With the file and line of each answer that cannot be taken; none is then.
    """
    prepared = opened(pipeline, store=store, name=name, limit=limit)
    run, asked = walk(prepared)
    every = {key: each for each in asked for key in each.open}
    folder = prepared.store.root / prepared.pipeline.name
    # Nobody else writes the log meanwhile.
    with prepared.store.writing(prepared.pipeline.name), ResponseLog(folder / LOG) as log:
        reader = _Reader(every, log)
        for path in paths:
            reader.read(path)
        reader.check(finished=run is not None)
        for key, (request, response) in reader.found.items():
            log.append(key, request, response)
    return Imported(
        taken=len(reader.found),
        there=reader.there,
        refused=len(reader.refused),
        unanswered=reader.unanswered,
        left=len(every) - len(reader.found),
    )


class _Reader:
    """Reads files of answers; nothing is written."""

    def __init__(self, asked: Mapping[str, Asked], log: ResponseLog) -> None:
        self.problems: list[str] = []
        self.found: dict[str, tuple[Request, Response]] = {}
        self.refused: list[str] = []
        self.there = self.unanswered = 0
        self._asked = asked
        self._log = log
        self._at: dict[str, str] = {}

    def read(self, path: str | Path) -> None:
        """Reads a file."""
        for where, row in read_rows(str(path)):
            try:
                self._take(where, row)
            except ValueError as error:
                self.problems.append(f"{where}: {error}")

    def check(self, *, finished: bool) -> None:
        """Looks whether all that was read can be taken.

        Raises:
            InputError: If something cannot, or if all of it is refusals where nothing is answered.
        """
        if self.refused and len(self.refused) == len(self.found) and not len(self._log):
            raise InputError(
                f"All {len(self.refused):,} requests were refused: {self.refused[0]}. Nothing was "
                "taken. Mend the teacher or the step, and export anew."
            )
        if self.problems:
            raise InputError(_told(self.problems, finished=finished))

    def _take(self, where: str, row: Mapping[str, Any]) -> None:
        key = row.get("custom_id")
        if not isinstance(key, str):
            raise ValueError("has no custom_id, by which an answer finds its request")
        if key in self._log:
            self.there += 1
            return
        asked = self._asked.get(key)
        if asked is None:
            raise ValueError(f'"{key[:64]}" is no request of this pipeline')
        request = asked.open[key]
        said = _by_hand(row, request, asked) if "text" in row else asked.format.read(row)[1]
        if isinstance(said, BusyError):
            self.unanswered += 1
            return
        if key in self._at:
            raise ValueError(f"answers {key} a second time (first in {self._at[key]})")
        self._at[key] = where
        self.found[key] = (request, self._response(said, request, asked))

    def _response(self, said: Response | DatakitError, request: Request, asked: Asked) -> Response:
        if isinstance(said, Response):
            if len(said.samples) != request.n:
                raise ValueError(f"has {len(said.samples)} answers; {request.n} were asked for")
            return said if said.by_hand else replace(said, batch=True)
        if not isinstance(said, RequestError) or said.reason == "no_answer":
            raise ValueError(str(said))
        # For good: it would be refused again and again.
        self.refused.append(str(said))
        samples = (Sample(str(said), "refused"),) * request.n
        return Response(samples, Usage(), asked.model, batch=True)


def _by_hand(row: Mapping[str, Any], request: Request, asked: Asked) -> Response:
    text = row["text"]
    texts = [text] if isinstance(text, str) else text
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise ValueError("text: must be a text, or a list of texts")
    if len(texts) != request.n:
        raise ValueError(f"text: has {len(texts)} answers; {request.n} were asked for")
    return Response(tuple(map(Sample, texts)), Usage(), asked.model, by_hand=True)


def _told(problems: Sequence[str], *, finished: bool) -> Iterable[str]:
    yield from problems[:_MOST_TOLD]
    if len(problems) > _MOST_TOLD:
        yield f"and {len(problems) - _MOST_TOLD:,} more."
    yield (
        "Nothing was taken. "
        + ("All that the pipeline asks is answered. " if finished else "")
        + f"What it asks now is written by: {_EXPORT}"
    )
