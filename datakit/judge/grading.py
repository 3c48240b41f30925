"""One answer on a scale: a score with its reason, of one sample or of several."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any

from datakit.fields import FilePath
from datakit.judge.texts import TEXTS
from datakit.llm.answers import read_json
from datakit.llm.llm import LLM
from datakit.outcome import Drop
from datakit.prompts import fill

__all__ = ["Grade", "grade", "rate"]


@dataclass(frozen=True)
class Grade:
    """What a judge says of one answer.

    Args:
        score: The mean of its samples.
        reason: Why, as the first sample has it.
        scores: The score of each sample that could be read.
    """

    score: float
    reason: str
    scores: tuple[float, ...]

    @property
    def spread(self) -> float | None:
        """Standard deviation of the samples; None of a single one."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None


async def rate(
    llm: LLM,
    text: str,
    low: float,
    high: float,
    *,
    samples: int = 1,
    score_first: bool = False,
    json_schema: bool = True,
    temperature: float | None = 0.0,
    max_tokens: int = 1024,
) -> Grade | Drop:
    """Asks for a score.

    Args:
        llm: The judge.
        text: What is to be rated, and by what.
        low: The lowest score.
        high: The highest.
        samples: How many answers are drawn; their mean is the score.
        score_first: Whether the score is written before its reason, rather than after it.
        json_schema: Whether a JSON Schema is sent; a server may lack it.
        temperature: Sampling temperature; None where the model allows none.
        max_tokens: Most tokens of a score with its reason.

    Returns:
        A `Drop` if no sample has a usable score: `refused`, `cut_short` or `unparsable`.
    """
    keys = ("score", "reason") if score_first else ("reason", "score")
    shown = {"reason": '"reason": "..."', "score": '"score": N'}
    form = {
        "form": f"{{{', '.join(shown[key] for key in keys)}}}",
        "low": f"{low:g}",
        "high": f"{high:g}",
    }
    answers = await llm.answers(
        f"{text.rstrip()}\n\n{fill(TEXTS.text('score_form'), form)}",
        lambda answer: _read(answer, low, high),
        schema=_schema(keys) if json_schema else None,
        n=samples,
        temperature=temperature,
        max_tokens=max_tokens,
    )
    read = [each.value for each in answers if each.value is not None]
    if not read:
        return next(each.drop for each in answers if each.drop is not None)
    scores = tuple(score for score, _ in read)
    return Grade(statistics.fmean(scores), read[0][1], scores)


async def grade(
    llm: LLM,
    question: str,
    answer: str,
    *,
    reference: str = "",
    prompt: FilePath | None = None,
    **sampling: Any,  # noqa: ANN401  as rate has them
) -> Grade | Drop:
    """Grades one answer from 1 to 10, the form that MT-Bench has for a single answer.

    Args:
        llm: The judge.
        question: What was asked.
        answer: The answer.
        reference: An answer that is known to be right, which the judge is shown.
        prompt: A file with another text for `helpfulness`, with {question} and {output}.
        **sampling: As for `rate`.
    """
    text = TEXTS.text("helpfulness", {"helpfulness": prompt} if prompt else None)
    if reference:
        text = f"{text.rstrip()}\n\n{TEXTS.text('reference')}"
    values = {"question": question, "output": answer, "reference": reference}
    return await rate(llm, fill(text, values), 1, 10, **sampling)


def _schema(keys: tuple[str, ...]) -> dict[str, Any]:
    kinds = {"reason": {"type": "string"}, "score": {"type": "number"}}
    return {
        "type": "object",
        # Servers that keep to a schema write the keys in its order.
        "properties": {key: kinds[key] for key in keys},
        "required": list(keys),
        "additionalProperties": False,
    }


def _read(text: str, low: float, high: float) -> tuple[float, str]:
    value: Any = read_json(text)
    score = value.get("score") if isinstance(value, dict) else None
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise ValueError('"score" is not a number')
    if not low <= score <= high:
        raise ValueError(f"the score {score:g} is not from {low:g} to {high:g}")
    return float(score), str(value.get("reason", ""))
