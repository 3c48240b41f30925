"""Which of two answers is better: asked in both orders, so that the place of an answer cannot win.

MT-Bench's conservative rule (Zheng et al. 2023, arXiv 2306.05685, section 3.4): an answer wins if
it wins in both orders; all else is a tie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from datakit.fields import FilePath
from datakit.judge.texts import TEXTS
from datakit.llm.answers import read_json
from datakit.llm.llm import LLM
from datakit.outcome import Drop
from datakit.prompts import fill

__all__ = ["Comparison", "Winner", "compare"]

Winner = Literal["a", "b", "tie"]

_SCHEMA = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "better": {"type": "string", "enum": ["first", "second", "tie"]},
    },
    "required": ["reason", "better"],
    "additionalProperties": False,
}
# What a verdict means where `a` stood first, and where `b` did.
_ORDERS: tuple[dict[str, Winner], ...] = (
    {"first": "a", "second": "b", "tie": "tie"},
    {"first": "b", "second": "a", "tie": "tie"},
)


@dataclass(frozen=True)
class Comparison:
    """What a judge says of two answers.

    Args:
        verdicts: Who is better where `a` stands first, and where `b` does.
        reasons: Why, in both orders.
    """

    verdicts: tuple[Winner, Winner]
    reasons: tuple[str, str] = ("", "")

    @property
    def winner(self) -> Winner:
        """`a` or `b` if it is better in both orders, else `tie`."""
        one, other = self.verdicts
        return one if one == other else "tie"

    @property
    def firsts(self) -> tuple[bool, ...]:
        """Of each order that was decided, whether the answer that stood first won."""
        return tuple(
            verdict == first
            for verdict, first in zip(self.verdicts, ("a", "b"), strict=True)
            if verdict != "tie"
        )


async def compare(
    llm: LLM,
    question: str,
    answer_a: str,
    answer_b: str,
    *,
    reference: str = "",
    second_turn: bool = False,
    prompt: FilePath | None = None,
    json_schema: bool = True,
    temperature: float | None = 0.0,
    max_tokens: int = 1024,
) -> Comparison | Drop:
    """Asks which of two answers is better, in both orders, one after the other.

    Args:
        llm: The judge.
        question: What was asked.
        answer_a: An answer.
        answer_b: Another.
        reference: An answer that is known to be right, which the judge is shown.
        second_turn: Whether question and answers have two turns, of which the second is judged.
        prompt: A file with another text for `pair`; it has the places {question}, {first} and
            {second}, and need not say how to answer.
        json_schema: Whether a JSON Schema is sent; a server may lack it.
        temperature: Sampling temperature; None where the model allows none.
        max_tokens: Most tokens of a verdict with its reason.

    Returns:
        A `Drop` if an order has no usable verdict: `refused`, `cut_short` or `unparsable`.
    """
    parts = [TEXTS.text("pair", {"pair": prompt} if prompt else None).rstrip()]
    parts += [TEXTS.text("second_turn")] if second_turn else []
    parts += [TEXTS.text("reference")] if reference else []
    text = "\n\n".join([*parts, TEXTS.text("pair_form")])
    values = {"question": question, "reference": reference}
    verdicts: list[Winner] = []
    reasons: list[str] = []
    for names, (first, second) in zip(
        _ORDERS, ((answer_a, answer_b), (answer_b, answer_a)), strict=True
    ):
        (answer,) = await llm.answers(
            fill(text, {**values, "first": first, "second": second}),
            _read,
            schema=_SCHEMA if json_schema else None,
            temperature=temperature,
            max_tokens=max_tokens,
        )
        if answer.value is None:
            return answer.drop or Drop("unparsable")
        better, reason = answer.value
        verdicts.append(names[better])
        reasons.append(reason)
    return Comparison((verdicts[0], verdicts[1]), (reasons[0], reasons[1]))


def _read(text: str) -> tuple[str, str]:
    value: Any = read_json(text)
    if not isinstance(value, dict) or value.get("better") not in _ORDERS[0]:
        raise ValueError('"better" is none of first, second and tie')
    return value["better"], str(value.get("reason", ""))
