"""generate.preference_pairs: a better and a worse answer to what each record asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from datakit.llm.llm import LLM
from datakit.outcome import Drop
from datakit.prompts import Prompts
from datakit.rating import rate_together
from datakit.record import Record
from datakit.reply import Question, answered, question_of, read_text
from datakit.step import FilePath, Resources, step
from datakit.verify import Compare, Reference, own_query, query_of, run_query

Aspect = Literal["instruction_following", "truthfulness", "honesty", "helpfulness"]

_ASPECTS: tuple[Aspect, ...] = (
    "instruction_following",
    "truthfulness",
    "honesty",
    "helpfulness",
)
_LOW, _HIGH = 1, 5
# Means of thirds are no exact numbers.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class _Candidate:
    """An answer, and where it comes from: `own`, or the temperature of its sample."""

    text: str
    origin: str | float | None


# Chosen, rejected, keys of meta, scores.
_Chosen = tuple[_Candidate, _Candidate, dict[str, Any], dict[str, Any]]


@step("generate.preference_pairs")
class PreferencePairs:
    """Makes a preference pair of each record: `output` is the chosen answer, `rejected` the other.

    Candidates are one sample at each of `temperatures` and, with `own`, the record's output; equal
    ones are merged. By `rating`, the teacher rates all of them on each aspect apart, from 1 to 5,
    in an order drawn for each request, as UltraFeedback does (Cui et al. 2023, arXiv 2310.01377;
    the texts are ours). As in Tulu 3 (Lambert et al. 2024, arXiv 2411.15124), chosen is the best
    mean, rejected a random other, here one that is at least `margin` worse: ties carry no signal,
    and are dropped as `no_margin`. `scores.chosen_rating` and `scores.rejected_rating` are the
    means, `meta.ratings` has the aspects.

    By `match` and `sql_executes`, no judge is asked: chosen is a right one, rejected a wrong one,
    both drawn; `scores.right` and `scores.wrong` count them. Where all are right, or all wrong, it
    is `no_contrast`. For `match`, right is the result of the record's own output (see
    `generate.distill`); for `sql_executes`, a query that runs on the schema in the record's input
    and can find rows.

    Samples of one model differ less than those of several. For those, a `generate.distill` with a
    teacher of its own stands before this step, whose answer is then the record's `own`.

    Args:
        temperatures: A sample is drawn at each; null leaves it to the provider, and so does a
            provider without that setting.
        own: Whether the record's output, if it has one, is a candidate.
        by: How they are told apart: `rating`, `match` or `sql_executes`.
        compare: How `match` compares results: `exact`, `numeric` or `auto`; see `generate.distill`.
        margin: By `rating`, at least so much lies between the means of the two.
        aspects: What is rated, a request each; by default all of `instruction_following`,
            `truthfulness`, `honesty` and `helpfulness`.
        system: The system prompt of records that have none of their own.
        max_tokens: Most tokens of an answer, and of a request's ratings.
        judge_temperature: Sampling temperature of the ratings; null where the model allows none.
        json_schema: Whether a JSON Schema is sent with them; a server may lack it.
        prompts: Files with texts of your own: `answer`, with the place {prompt} (instruction and
            input, or a chat's last question), and one by the name of an aspect, with {question} and
            {answers}; how to reply is added to it.
    """

    temperatures: Annotated[
        tuple[Annotated[float, Meta(ge=0, le=2)] | None, ...], Meta(min_length=1, max_length=16)
    ] = (0.3, 0.7, 1.0, 1.3)
    own: bool = True
    by: Literal["rating", "match", "sql_executes"] = "rating"
    compare: Compare = "auto"
    margin: Annotated[float, Meta(gt=0, le=4)] = 0.5
    aspects: Annotated[tuple[Aspect, ...], Meta(min_length=1)] = _ASPECTS
    system: str | None = None
    max_tokens: Annotated[int, Meta(ge=16)] = 2048
    judge_temperature: Annotated[float, Meta(ge=0, le=2)] | None = 0.0
    json_schema: bool = True
    prompts: dict[str, FilePath] | None = None

    TEXTS: ClassVar = Prompts(
        "preference_pairs",
        answer={"prompt"},
        instruction_following={"question", "answers"},
        truthfulness={"question", "answers"},
        honesty={"question", "answers"},
        helpfulness={"question", "answers"},
    )

    def __post_init__(self) -> None:
        """Checks what the fields mean together."""
        try:
            self.TEXTS.check(self.prompts)
        except ValueError as error:
            raise ValueError(f"prompts: {error}") from None
        if len(self.temperatures) == 1 and not self.own:
            raise ValueError("temperatures: a pair needs two answers; give another, or own: true")
        if len(set(self.aspects)) < len(self.aspects):
            raise ValueError("aspects: one is there twice")

    def expected(self, seeds: Sequence[Record], llm: LLM) -> tuple[float, float]:
        """Returns about how many records and requests one record comes to, for a plan."""
        rated = len(self.aspects) if self.by == "rating" else 0
        return 1, len(self.temperatures) + rated

    async def revise(self, record: Record, llm: LLM, resources: Resources) -> Record | Drop | None:
        """Returns the record as a pair, or why there is none."""
        question = question_of(record, self.system)
        if isinstance(question, Drop):
            return question
        if self.by == "match" and Reference.of(record.output, self.compare) is None:
            return Drop("no_reference", compare=self.compare)
        found, lost = await self._candidates(record, question, llm)
        counts: dict[str, Any] = {
            "samples": len(self.temperatures),
            "samples_used": len(self.temperatures) - len(lost),
        }
        if not found:
            return Drop(lost[0].reason, **{**lost[0].detail, **counts})
        if len(found) == 1:
            return Drop("too_few_answers", unusable=[each.reason for each in lost], **counts)
        if self.by == "rating":
            told = await self._by_rating(found, question, llm)
        else:
            told = self._told_apart(found, await self._right(found, record, resources), llm)
        if isinstance(told, Drop):
            return Drop(told.reason, **{**told.detail, **counts})
        chosen, rejected, meta, scores = told
        child = answered(record, chosen.text, rejected=rejected.text)
        origins = {"chosen_from": chosen.origin, "rejected_from": rejected.origin}
        return child.with_meta(**counts, **origins, **meta).annotated(scores)

    async def _candidates(
        self, record: Record, question: Question, llm: LLM
    ) -> tuple[list[_Candidate], list[Drop]]:
        """Returns the answers that differ, and what became of those that cannot be used."""
        sql = self.by == "sql_executes"
        found: list[_Candidate] = []
        lost: list[Drop] = []
        if self.own and record.output.strip():
            found.append(_Candidate(own_query(record) if sql else record.output, "own"))
        turns = question.sent(self.TEXTS.text("answer", self.prompts))
        for temperature in self.temperatures:
            (answer,) = await llm.answers(
                turns,
                read_text,
                system=question.system,
                temperature=temperature,
                max_tokens=self.max_tokens,
            )
            if answer.value is None:
                lost.append(answer.drop or Drop("unparsable"))
            else:
                text = query_of(answer.value) if sql else answer.value
                found.append(_Candidate(text, temperature))
        merged: dict[str, _Candidate] = {}
        for each in found:
            merged.setdefault(each.text.strip(), each)
        return list(merged.values()), lost

    async def _by_rating(
        self, found: Sequence[_Candidate], question: Question, llm: LLM
    ) -> _Chosen | Drop:
        ratings: list[dict[str, int]] = [{} for _ in found]
        for aspect in self.aspects:
            given = await rate_together(
                llm,
                self.TEXTS.text(aspect, self.prompts),
                question.shown(),
                [each.text for each in found],
                _LOW,
                _HIGH,
                json_schema=self.json_schema,
                temperature=self.judge_temperature,
                max_tokens=self.max_tokens,
            )
            if isinstance(given, Drop):
                return Drop(given.reason, **{**given.detail, "aspect": aspect})
            for own, rating in zip(ratings, given, strict=True):
                own[aspect] = rating
        means = [sum(each.values()) / len(each) for each in ratings]
        top = max(means)
        best = llm.rng.choice([at for at, mean in enumerate(means) if mean == top])
        worse = [at for at, mean in enumerate(means) if top - mean >= self.margin - _ROUNDING]
        if not worse:
            shown = [round(mean, 4) for mean in means]
            return Drop("no_margin", margin=self.margin, ratings=shown)
        other = llm.rng.choice(worse)
        meta = {"ratings": {"chosen": ratings[best], "rejected": ratings[other]}}
        scores = {
            "chosen_rating": round(means[best], 4),
            "rejected_rating": round(means[other], 4),
        }
        return found[best], found[other], meta, scores

    async def _right(
        self, found: Sequence[_Candidate], record: Record, resources: Resources
    ) -> list[bool]:
        if self.by == "match":
            reference = Reference.of(record.output, self.compare)
            return [reference is not None and reference.fits(each.text) for each in found]
        return [(await run_query(record.input, each.text, resources)).ok for each in found]

    def _told_apart(
        self, found: Sequence[_Candidate], right: Sequence[bool], llm: LLM
    ) -> _Chosen | Drop:
        good = [each for each, is_right in zip(found, right, strict=True) if is_right]
        bad = [each for each, is_right in zip(found, right, strict=True) if not is_right]
        if not good or not bad:
            return Drop("no_contrast", right=len(good), wrong=len(bad))
        scores = {"right": len(good), "wrong": len(bad)}
        return llm.rng.choice(good), llm.rng.choice(bad), {}, scores
