"""How a judge is asked: what must be the same where its calibration is to speak for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from datakit.errors import InputError
from datakit.fields import FilePath
from datakit.judge.grading import Grade, grade
from datakit.judge.pairwise import Comparison, compare
from datakit.judge.texts import TEXTS
from datakit.llm.llm import LLM
from datakit.llm.sdk import shown_url
from datakit.llm.teacher import Teacher
from datakit.outcome import Drop
from datakit.record import digest

__all__ = ["FORMS", "Asking", "Form", "Question", "apart"]

Form = Literal["pair", "grade"]
FORMS: tuple[Form, ...] = get_args(Form)

# The texts that each form is made of; the first is the one that a user may replace.
_TEXTS: Mapping[Form, tuple[str, ...]] = {
    "pair": ("pair", "second_turn", "reference", "pair_form"),
    "grade": ("helpfulness", "reference", "score_form"),
}


@dataclass(frozen=True)
class Question:
    """What a judge is asked about.

    Args:
        question: What was asked.
        answers: The answer; to be compared, two.
        reference: An answer that is known to be right; empty if there is none.
        second_turn: Whether all texts have two turns, of which the second is judged.
    """

    question: str
    answers: tuple[str, ...]
    reference: str = ""
    second_turn: bool = False

    @property
    def key(self) -> str:
        """What tells it from others."""
        return digest([self.question, *self.answers, self.reference, self.second_turn])


@dataclass(frozen=True)
class Asking:
    """A form of question, with its text and settings.

    Args:
        form: `pair`, which of two answers is better; or `grade`, one answer from 1 to 10.
        prompt: A file with another text; see `compare` and `grade`.
        temperature: Sampling temperature; None where the model allows none.
        max_tokens: Most tokens of a verdict with its reason.
        json_schema: Whether a JSON Schema is sent; a server may lack it.
    """

    form: Form = "pair"
    prompt: FilePath | None = None
    temperature: float | None = 0.0
    max_tokens: int = 1024
    json_schema: bool = True

    def check(self) -> None:
        """Looks at the prompt.

        Raises:
            InputError: If it cannot be read, or lacks a place.
        """
        try:
            TEXTS.check(self._own)
        except ValueError as error:
            raise InputError(f"--prompt: {error}.") from None

    async def compare(self, llm: LLM, about: Question) -> Comparison | Drop:
        """Asks which of two answers is better."""
        first, second = about.answers
        return await compare(
            llm,
            about.question,
            first,
            second,
            reference=about.reference,
            second_turn=about.second_turn,
            **self._sampling,
        )

    async def grade(self, llm: LLM, about: Question) -> Grade | Drop:
        """Asks for a grade of one answer."""
        (answer,) = about.answers
        return await grade(llm, about.question, answer, reference=about.reference, **self._sampling)

    def describe(self, teacher: Teacher) -> dict[str, Any]:
        """Returns who judges and how: what a calibration is of, without secrets."""
        told = teacher.describe()
        known = TEXTS.text(_TEXTS[self.form][0], self._own)
        return {
            "provider": told["provider"],
            "model": told["model"],
            "server": _server(teacher),
            "form": self.form,
            "prompt": digest([known, *map(TEXTS.text, _TEXTS[self.form][1:])]),
            "settings": {
                "temperature": self.temperature,
                "max_tokens": self.max_tokens,
                "json_schema": self.json_schema,
                "effort": teacher.effort,
            },
        }

    @property
    def _own(self) -> dict[str, FilePath] | None:
        return {_TEXTS[self.form][0]: self.prompt} if self.prompt else None

    @property
    def _sampling(self) -> dict[str, Any]:
        return {
            "prompt": self.prompt,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "json_schema": self.json_schema,
        }


def _server(teacher: Teacher) -> str:
    if teacher.provider == "embedded":
        return "this process"
    if not teacher.base_url:
        return f"{teacher.provider}'s own"
    # A key may stand after the question mark.
    return shown_url(teacher.base_url).partition("?")[0].rstrip("/")


def apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Yields in words where a judge that was calibrated is not the one that is asked.

    Args:
        one: Who was calibrated, as `Asking.describe` returns it.
        other: Who is asked.
    """
    for key in ("provider", "model", "server", "form"):
        if one.get(key) != other.get(key):
            yield f"its {key} is {one.get(key)}, not {other.get(key)}"
    if one.get("prompt") != other.get("prompt"):
        yield "its prompt is another text"
    before, after = (each.get("settings") for each in (one, other))
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        yield "its settings are not known"
        return
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            yield f"its {key} is {before.get(key)}, not {after.get(key)}"
