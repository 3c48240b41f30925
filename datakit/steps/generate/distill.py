"""generate.distill: a teacher answers what the records ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from datakit.llm.llm import LLM
from datakit.outcome import Drop
from datakit.prompts import Prompts
from datakit.rating import rate_together
from datakit.record import Record
from datakit.reply import Question, answered, question_of, read_text
from datakit.step import FilePath, Resources, step
from datakit.text import clip
from datakit.verify import Compare, Reference, agreeing, query_of, run_query

# What is chosen, and what was measured meanwhile; or why there is nothing.
_Choice = tuple[str, dict[str, Any]] | Drop
_LOW, _HIGH = 1, 10
_SHOWN = 200


@step("generate.distill")
class Distill:
    """Has the teacher answer each record's question, and keeps the best of several answers.

    A chat is answered at its last question, with all turns before it. How one of several is chosen:

    - `first`: the first that can be used.
    - `longest`: the one with the most characters.
    - `majority`: the first of those with the same result, where most agree (self-consistency, Wang
      et al. 2022, arXiv 2203.11171). `scores.agreed` says how many; fewer than `agree` are
      `no_majority`.
    - `match`: the first with the result of the record's own output, which is taken to be right,
      else `no_right_answer`. This is rejection sampling: STaR (Zelikman et al. 2022, arXiv
      2203.14465; without its hints), RFT (Yuan et al. 2023, arXiv 2308.01825; one path for each
      question, not all that differ). `scores.right` says how many are right.
    - `sql_executes`: the first query that runs on the schema in the record's input and can find
      rows, as `filter.sql_executes` has it, else `does_not_run`. The query alone is the output.
    - `judge`: the teacher rates all answers from 1 to 10 in a second request, and the highest wins;
      `scores.rating` has it.

    A result is what follows `####`, or stands in a `boxed`, or all of the answer. A record without
    any answer of use is dropped with the reason of the first: `refused`, `cut_short`, `unparsable`.

    Args:
        samples: Answers drawn for each record; 4 to 16 for `majority` and `match`.
        best: How one of them is chosen: `first`, `longest`, `majority`, `match`, `sql_executes` or
            `judge`.
        compare: How `majority` and `match` compare results. `exact`: but for case, white space,
            and marks around. `numeric`: by the last number, also in prose. `auto`: by value where
            the result (for `match`, that of the record) is a number with its unit, else `exact`.
        agree: For `majority`, at least so many must agree.
        only_empty: Whether records that have an output are left as they are.
        keep_reference: Whether the output that there was is kept, under the key `reference`.
        system: The system prompt of records that have none of their own.
        temperature: Sampling temperature; null where the model allows none.
        top_p: Share of the probability mass to sample from; null likewise.
        max_tokens: Most tokens of an answer, and of the judge's ratings.
        judge_temperature: Sampling temperature of the judge; null likewise.
        json_schema: Whether the judge is sent a JSON Schema; a server may lack it.
        prompts: Files with texts of your own: `answer`, with the place {prompt} (instruction and
            input, or a chat's last question), and `judge`, with {question} and {answers}.
    """

    samples: Annotated[int, Meta(ge=1, le=64)] = 1
    best: Literal["first", "longest", "majority", "match", "sql_executes", "judge"] = "first"
    compare: Compare = "auto"
    agree: Annotated[int, Meta(ge=2, le=64)] = 2
    only_empty: bool = False
    keep_reference: bool = False
    system: str | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = 0.7
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=16)] = 2048
    judge_temperature: Annotated[float, Meta(ge=0, le=2)] | None = 0.0
    json_schema: bool = True
    prompts: dict[str, FilePath] | None = None

    TEXTS: ClassVar = Prompts("distill", answer={"prompt"}, judge={"question", "answers"})

    def __post_init__(self) -> None:
        """Checks what the fields mean together."""
        try:
            self.TEXTS.check(self.prompts)
        except ValueError as error:
            raise ValueError(f"prompts: {error}") from None
        if self.samples == 1 and self.best in ("longest", "majority", "judge"):
            raise ValueError(f"samples: {self.best} chooses one of several; set it, such as 4")
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                "samples: at temperature 0 all of them are alike; set temperature, such as 0.7"
            )
        if self.best == "majority" and self.agree > self.samples:
            raise ValueError(f"agree: cannot be more than samples, {self.samples}")
        if self.best == "match" and self.only_empty:
            raise ValueError("only_empty: match needs an output to compare with; leave it out")

    def expected(self, seeds: Sequence[Record], llm: LLM) -> tuple[float, float]:
        """Returns about how many records and requests one record comes to, for a plan."""
        return 1, 2 if self.best == "judge" else 1

    async def revise(self, record: Record, llm: LLM, resources: Resources) -> Record | Drop | None:
        """Returns the record with the teacher's answer, or why there is none."""
        if self.only_empty and record.output.strip():
            return None
        question = question_of(record, self.system)
        if isinstance(question, Drop):
            return question
        if self.best == "match" and Reference.of(record.output, self.compare) is None:
            return Drop("no_reference", compare=self.compare)
        drawn = await llm.answers(
            question.sent(self.TEXTS.text("answer", self.prompts)),
            read_text,
            system=question.system,
            n=self.samples,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
        )
        usable = [each.value for each in drawn if each.value is not None]
        if not usable:
            why = drawn[0].drop or Drop("unparsable")
            return Drop(why.reason, **{**why.detail, "samples": self.samples})
        choice = await self._choose(usable, record, question, llm, resources)
        if isinstance(choice, Drop):
            counts = {"samples": self.samples, "samples_used": len(usable)}
            return Drop(choice.reason, **{**choice.detail, **counts})
        text, scores = choice
        kept = self.keep_reference and record.output.strip()
        child = answered(record, text, **({"reference": record.output} if kept else {}))
        child = child.with_meta(samples=self.samples, samples_used=len(usable))
        return child.annotated(scores)

    async def _choose(
        self,
        texts: Sequence[str],
        record: Record,
        question: Question,
        llm: LLM,
        resources: Resources,
    ) -> _Choice:
        if self.best == "sql_executes":
            return await _running(texts, record.input, resources)
        if self.best == "judge":
            return await self._rated(texts, question, llm)
        if self.best == "match":
            return self._matching(texts, record.output)
        if self.best == "majority":
            return self._agreed(texts)
        return max(texts, key=len) if self.best == "longest" else texts[0], {}

    def _agreed(self, texts: Sequence[str]) -> _Choice:
        same = agreeing(texts, self.compare)
        if len(same) < self.agree:
            return Drop("no_majority", agreed=len(same), wanted=self.agree)
        return texts[same[0]], {"agreed": len(same)}

    def _matching(self, texts: Sequence[str], output: str) -> _Choice:
        reference = Reference.of(output, self.compare)
        right = [text for text in texts if reference is not None and reference.fits(text)]
        if not right:
            ends = [text[-_SHOWN:] for text in texts[:4]]
            return Drop("no_right_answer", reference=clip(output, _SHOWN), ends=ends)
        return right[0], {"right": len(right)}

    async def _rated(self, texts: Sequence[str], question: Question, llm: LLM) -> _Choice:
        different = list(dict.fromkeys(texts))
        if len(different) == 1:
            return different[0], {}
        ratings = await rate_together(
            llm,
            self.TEXTS.text("judge", self.prompts),
            question.shown(),
            different,
            _LOW,
            _HIGH,
            json_schema=self.json_schema,
            temperature=self.judge_temperature,
            max_tokens=self.max_tokens,
        )
        if isinstance(ratings, Drop):
            return ratings
        return different[ratings.index(max(ratings))], {"rating": max(ratings)}


async def _running(texts: Sequence[str], schema: str, resources: Resources) -> _Choice:
    first = None
    for text in texts:
        query = query_of(text)
        verdict = await run_query(schema, query, resources)
        if verdict.ok:
            return query, {}
        first = first or verdict
    why = first.reason if first else ""
    return Drop("does_not_run", why=why, message=first.message if first else "")
