"""Several answers rated side by side by a teacher, in an order that chance decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datakit.llm.answers import read_json
from datakit.llm.llm import LLM
from datakit.outcome import Drop
from datakit.prompts import Prompts, fill

__all__ = ["rate_together"]

_TEXTS = Prompts("rating", form={"count", "low", "high"})


async def rate_together(
    llm: LLM,
    text: str,
    question: str,
    answers: Sequence[str],
    low: int,
    high: int,
    *,
    json_schema: bool = True,
    **sampling: Any,  # noqa: ANN401  fields of Request
) -> list[int] | Drop:
    """Returns a whole number for each answer, in their order.

    They are shown in an order drawn anew: teachers prefer what stands first (Zheng et al. 2023,
    arXiv 2306.05685).

    Args:
        llm: The teacher.
        text: A prompt with the places `{question}` and `{answers}`; how to reply is added.
        question: What was asked.
        answers: The answers.
        low: The lowest rating.
        high: The highest.
        json_schema: Whether a JSON Schema is sent.
        **sampling: `temperature`, `max_tokens`, ...

    Returns:
        The ratings, or `not_rated` with the reason why there are none.
    """
    order = list(range(len(answers)))
    llm.rng.shuffle(order)
    shown = "\n\n".join(
        f"<answer {number}>\n{answers[at]}\n</answer {number}>"
        for number, at in enumerate(order, 1)
    )
    message = fill(text, {"question": question, "answers": shown})
    form = {"count": str(len(answers)), "low": str(low), "high": str(high)}
    (answer,) = await llm.answers(
        f"{message.rstrip()}\n\n{fill(_TEXTS.text('form'), form)}",
        lambda said: _read(said, len(answers), low, high),
        schema=_schema(low, high) if json_schema else None,
        **sampling,
    )
    if answer.value is None:
        why = answer.drop or Drop("unparsable")
        return Drop("not_rated", why=why.reason, **why.detail)
    rated = dict(zip(order, answer.value, strict=True))
    return [rated[at] for at in range(len(answers))]


def _schema(low: int, high: int) -> Mapping[str, Any]:
    item = {
        "type": "object",
        "properties": {
            "answer": {"type": "integer"},
            # Before the rating, so that it can be of use to it.
            "reason": {"type": "string"},
            "rating": {"type": "integer", "enum": list(range(low, high + 1))},
        },
        "required": ["answer", "reason", "rating"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"ratings": {"type": "array", "items": item}},
        "required": ["ratings"],
        "additionalProperties": False,
    }


def _read(text: str, count: int, low: int, high: int) -> list[int]:
    """Reads the ratings in the order in which the answers were shown."""
    value = read_json(text)
    items = value.get("ratings") if isinstance(value, dict) else value
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        raise ValueError("no list of ratings")
    found: dict[object, int] = {}
    for each in items:
        number, rating = each.get("answer"), each.get("rating")
        if type(number) is not int or not 1 <= number <= count or number in found:
            raise ValueError(f"{number!r} is no answer, or one that was rated before")
        if type(rating) is not int or not low <= rating <= high:
            raise ValueError(f"a rating is a whole number from {low} to {high}, not {rating!r}")
        found[number] = rating
    if len(found) != count:
        raise ValueError(f"{len(found)} answers are rated, not {count}")
    return [found[number] for number in range(1, count + 1)]
