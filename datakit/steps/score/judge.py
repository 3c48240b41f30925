"""score.judge: a teacher rates each record by a rubric."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from datakit.judge.grading import rate
from datakit.judge.texts import TEXTS, question_of
from datakit.llm.llm import LLM
from datakit.outcome import Drop
from datakit.prompts import Prompts, fill, places
from datakit.record import Record
from datakit.step import FilePath, step


@dataclass(frozen=True)
class _Rubric:
    """How a rubric is asked for: the score's name, its scale, and what comes first."""

    name: str
    low: float
    high: float
    score_first: bool = False


_RUBRICS = {
    "alpagasus": _Rubric("judge", 0, 5, score_first=True),
    "deita_quality": _Rubric("quality", 1, 6),
    "deita_complexity": _Rubric("complexity", 1, 6),
    "helpfulness": _Rubric("judge", 1, 10),
    "custom": _Rubric("judge", 1, 10),
}
# filter.where takes these names for fields of the record, or for meta.lang.
_TAKEN = {"instruction", "input", "output", "lang", "len"}


@step("score.judge")
class Judge:
    """Adds a teacher's score of each record by a rubric; what to keep is for `filter.where` to say.

    `alpagasus` is the rating of Chen et al. 2023 (AlpaGasus, arXiv 2307.08701): how accurate the
    answer is, from 0 to 5, the score written before its explanation; they kept what had 4.5 and
    more. `deita_quality` and `deita_complexity` are the two scales of Liu et al. 2023 (DEITA, arXiv
    2312.15685), from 1 to 6, which multiplied are their measure: two such steps, then
    `filter.where: quality * complexity >= 20`. They trained scorers on rankings of evolved
    variants; here the teacher is asked. `helpfulness` is the grading of a single answer from 1 to
    10 of Zheng et al. 2023 (MT-Bench, arXiv 2306.05685). The texts of all are ours. But for
    `alpagasus`, the reason is written before the score.

    A record whose score could not be had is dropped: `refused`, `cut_short`, or `unparsable`, as
    for a score beyond the scale. Before a judge is believed: `datakit judge check`.

    Args:
        rubric: `alpagasus`, `deita_quality`, `deita_complexity`, `helpfulness`, or `custom`, whose
            text is `prompts: {rubric: my.txt}`.
        name: The name of the score; null: `quality`, `complexity`, else `judge`.
        low: The lowest score of a `custom` rubric; null: 1.
        high: The highest; null: 10.
        samples: Answers drawn for each record; the score is their mean, and `<name>_sd` their
            standard deviation.
        reason: Whether the reason is kept, as `<name>_reason`: that of the first answer.
        temperature: Sampling temperature; null where the model allows none.
        max_tokens: Most tokens of a score with its reason.
        json_schema: Whether a JSON Schema is sent; a server may lack it.
        prompts: Files with texts of your own, by the rubric's name, or `rubric` for a custom one.
            They have the places {question} (instruction and input, or the whole chat) and {output},
            a custom one also {low} and {high}; how to answer is added to them.
    """

    rubric: Literal["alpagasus", "deita_quality", "deita_complexity", "helpfulness", "custom"] = (
        "helpfulness"
    )
    name: str | None = None
    low: float | None = None
    high: float | None = None
    samples: Annotated[int, Meta(ge=1, le=64)] = 1
    reason: bool = False
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = 0.0
    max_tokens: Annotated[int, Meta(ge=16)] = 1024
    json_schema: bool = True
    prompts: dict[str, FilePath] | None = None

    TEXTS: ClassVar[Prompts] = TEXTS

    def __post_init__(self) -> None:
        """Checks what the fields mean together."""
        self._check_prompts()
        known = _RUBRICS[self.rubric]
        for key in ("low", "high"):
            if self.rubric != "custom" and getattr(self, key) is not None:
                scale = f"{self.rubric} has the scale {known.low:g} to {known.high:g}"
                raise ValueError(f"{key}: {scale}; leave it out, or take rubric: custom")
        low, high = self._scale
        if low >= high:
            raise ValueError(f"low: must be below high, {high:g}")
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                "samples: at temperature 0 all of them are alike; set temperature, such as 1"
            )
        name = self._name
        if not name.isidentifier() or keyword.iskeyword(name) or name in _TAKEN:
            raise ValueError(f'name: "{name}" cannot be asked for in filter.where; take one word')

    def _check_prompts(self) -> None:
        own = self.prompts or {}
        text = "rubric" if self.rubric == "custom" else self.rubric
        for name in own:
            if name != text:
                raise ValueError(f'prompts: "{name}" is not used; rubric {self.rubric} has {text}')
        if self.rubric == "custom" and not own.get("rubric"):
            raise ValueError("prompts: a custom rubric needs its text: prompts: {rubric: my.txt}")
        try:
            TEXTS.check(own)
            if own and not places(TEXTS.text(text, own)) & {"question", "output"}:
                raise ValueError(f"{own[text]}: has neither {{question}} nor {{output}}")
        except ValueError as error:
            raise ValueError(f"prompts: {error}") from None

    @property
    def _name(self) -> str:
        return _RUBRICS[self.rubric].name if self.name is None else self.name

    @property
    def _scale(self) -> tuple[float, float]:
        known = _RUBRICS[self.rubric]
        low = known.low if self.low is None else self.low
        return low, known.high if self.high is None else self.high

    async def score(self, records: Sequence[Record], llm: LLM) -> list[dict[str, Any] | Drop]:
        """Returns the score of a record, or why there is none."""
        (record,) = records
        low, high = self._scale
        text = TEXTS.text("rubric" if self.rubric == "custom" else self.rubric, self.prompts)
        values = {"question": question_of(record), "output": record.output}
        grade = await rate(
            llm,
            fill(text, {**values, "low": f"{low:g}", "high": f"{high:g}"}),
            low,
            high,
            samples=self.samples,
            score_first=_RUBRICS[self.rubric].score_first,
            json_schema=self.json_schema,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
        )
        if isinstance(grade, Drop):
            return [grade]
        found: dict[str, Any] = {self._name: round(grade.score, 4)}
        if grade.spread is not None:
            found[f"{self._name}_sd"] = round(grade.spread, 4)
        if self.reason:
            found[f"{self._name}_reason"] = grade.reason
        return [found]
