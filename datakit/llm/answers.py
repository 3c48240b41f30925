"""Answers as steps use them: JSON that is read, or the reason why there is nothing to use."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from datakit import strict
from datakit.errors import RecordError
from datakit.llm.request import Sample
from datakit.outcome import Drop, Rejected
from datakit.record import Record

__all__ = ["Answer", "read_answer", "read_json"]

T = TypeVar("T")

_FENCE = re.compile(r"\s*```[a-zA-Z]*[ \t]*\n(.*?)\n?```\s*", re.DOTALL)
_OPEN = re.compile(r"[{\[]")
# A comma before a closing bracket; texts are matched first, so that none is changed within one.
_TRAILING = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)


@dataclass(frozen=True)
class Answer(Generic[T]):
    """One answer of a teacher.

    Args:
        text: As it came.
        value: What was read from it; None if there is nothing to use.
        drop: Why there is not: `refused`, `cut_short` or `unparsable`; None if there is.
    """

    text: str
    value: T | None = None
    drop: Drop | None = None

    def rejected(self, parents: Iterable[Record], drop: Drop | None = None) -> Rejected:
        """Returns a candidate that is not used, its raw text as `output`.

        Args:
            parents: The records that led to it.
            drop: Another reason than the answer's own.

        Raises:
            ValueError: If there is no reason.
        """
        why = drop or self.drop
        if why is None:
            raise ValueError("the answer can be used; say why it is not")
        return Rejected(Record.from_parents(parents, instruction="", output=self.text), why)


def read_answer(sample: Sample, read: Callable[[str], T]) -> Answer[T]:
    """Reads one sample.

    Args:
        sample: The sample.
        read: Turns its text into a value, or raises ValueError with what is wrong.
    """
    if sample.finish == "refused":
        return Answer(sample.text, drop=Drop("refused"))
    if sample.finish == "length":
        return Answer(sample.text, drop=Drop("cut_short", chars=len(sample.text)))
    try:
        return Answer(sample.text, read(sample.text))
    except ValueError as error:
        return Answer(sample.text, drop=Drop("unparsable", message=str(error)[:300]))


def read_json(text: str) -> Any:  # noqa: ANN401  any JSON value
    """Reads JSON as models write it, where only one reading is possible.

    A code fence around it, words before and after a single value, and a comma before a closing
    bracket are passed over. What was cut off, or could be read in two ways, is not guessed at.

    Raises:
        ValueError: If there is no JSON value, or there are several.
    """
    fence = _FENCE.fullmatch(text)
    inner = (fence[1] if fence else text).strip()
    try:
        return _parsed(inner)
    except ValueError as error:
        wrong = error
    plain = _TRAILING.sub(lambda found: found[1] or "", inner)
    found = list(_values(plain))
    if len(found) == 1:
        return _parsed(found[0])
    raise ValueError(f"{len(found)} JSON values, not one" if found else str(wrong))


def _parsed(text: str) -> Any:  # noqa: ANN401
    try:
        return strict.parse(text, "the answer", one_line=False)
    except RecordError as error:
        raise ValueError(str(error)) from None


def _values(text: str) -> Iterable[str]:
    """Yields the objects and lists in a text; all of it is no JSON if one of them is not whole."""
    decoder, at = json.JSONDecoder(), 0
    while found := _OPEN.search(text, at):
        try:
            _, end = decoder.raw_decode(text, found.start())
        except RecursionError:
            # Each of the brackets within would be as deep, nearly, and be tried in vain.
            return
        except ValueError:
            if text[found.start()] == "{":
                return
            # Words may have brackets of their own.
            at = found.end()
            continue
        yield text[found.start() : end]
        at = end
