"""What a run would do, before anything is sent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar

from datakit.errors import DatakitError
from datakit.llm.llm import LLM
from datakit.llm.request import Request
from datakit.llm.teacher import Teacher
from datakit.record import Record
from datakit.running.history import History
from datakit.running.making import ask_about, make_records
from datakit.running.pipeline import Pipeline
from datakit.step import Resources, verb_of

__all__ = ["Plan", "make_plan", "requests_of"]

N = TypeVar("N", int, Decimal)

# Shares of candidates that are kept, from strict verifiers to none, while nothing is measured.
_KEPT = (0.10, 0.80)
_CHARS_PER_TOKEN = (4.5, 2.5)
# Seconds of one stream for a token that is read and one that is written: of a hosted model, and of
# the embedded one on a laptop.
_HOSTED = ((0.0, 0.01), (0.001, 0.05))
_EMBEDDED = ((0.003, 0.008), (0.01, 0.02))


@dataclass(frozen=True)
class Plan:
    """Low and high estimates of a run.

    Args:
        requests: Requests to teachers.
        tokens: Tokens, in and out.
        usd: US dollars.
        seconds: Wall time of the requests.
        priced: Whether the price of every teacher is known.
        known: Whether an earlier version's figures were used.
        logged: Answers that are in the log; what is asked again of these is not paid again.
        unsent: Settings that a provider has no knob for, each as `step: name`; not sent.
    """

    requests: tuple[int, int] = (0, 0)
    tokens: tuple[int, int] = (0, 0)
    usd: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))
    seconds: tuple[int, int] = (0, 0)
    priced: bool = True
    known: bool = False
    logged: int = 0
    unsent: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the plan as `datakit plan --json` prints it."""
        return {
            "requests": _range(*self.requests),
            "tokens": _range(*self.tokens),
            "usd": _range(*(f"{each:.4f}" if self.priced else None for each in self.usd)),
            "seconds": _range(*self.seconds),
            "measured": self.known,
            "logged": self.logged,
            "unsent": list(self.unsent),
        }

    def __add__(self, other: Plan) -> Plan:
        return replace(
            self,
            requests=_sum(self.requests, other.requests),
            tokens=_sum(self.tokens, other.tokens),
            usd=_sum(self.usd, other.usd),
            seconds=_sum(self.seconds, other.seconds),
            priced=self.priced and other.priced,
            known=self.known or other.known,
        )


def _sum(one: tuple[N, N], other: tuple[N, N]) -> tuple[N, N]:
    return one[0] + other[0], one[1] + other[1]


def _range(low: object, high: object) -> dict[str, object]:
    return {"low": low, "high": high}


class _Asked(DatakitError):
    """Carries the request that a step would have sent."""

    def __init__(self, request: Request) -> None:
        super().__init__("asked")
        self.request = request


class _Probe(LLM):
    """Takes the place of a teacher and sends nothing."""

    def __init__(self, ordinal: int, teacher: Teacher, seeds: frozenset[str]) -> None:
        super().__init__(None, "plan", ordinal, 0, seeds)  # type: ignore[arg-type]
        self._teacher = teacher

    @property
    def form(self) -> str:
        local = self._teacher.provider == "embedded"
        return self._teacher.form or ("completion" if local else "chat")

    @property
    def model(self) -> str:
        name: str = self._teacher.describe()["model"]
        return name

    @property
    def license(self) -> str:
        name: str = self._teacher.describe()["license"]
        return name

    async def _ask(self, request: Request) -> list[Any]:
        raise _Asked(request)


def make_plan(
    pipeline: Pipeline,
    seeds: Iterable[Record],
    history: History | None = None,
    *,
    there: int | None = None,
) -> Plan:
    """Estimates a run by asking each step for its first requests, without sending them.

    Args:
        pipeline: The pipeline.
        seeds: Its seeds.
        history: What an earlier version has measured.
        there: How many seeds or source records there are, where `seeds` are a few of them.
    """
    first = list(seeds)
    plan = Plan()
    for place in pipeline.askers:
        requests = requests_of(pipeline, place, first)
        if not requests:
            continue
        step = pipeline.steps[place]
        if verb_of(step) == "make":
            asked = _rounds(pipeline, place, first, requests[0], history)
        else:
            asked = _records(pipeline, len(first) if there is None else there, history)
            _, each = _per_call(pipeline, place, first, requests[0])
            asked = (math.ceil(each * asked[0]), math.ceil(each * asked[1]))
        plan += _costs(pipeline.teacher_of(place), requests, asked, history)
    return plan


def _records(pipeline: Pipeline, there: int, history: History | None) -> tuple[int, int]:
    """Returns how many records a step is asked about: all that there are, and that are made.

    Those that a step before it drops are not asked about; how many that is, is not known.
    """
    if not pipeline.makers:
        return math.ceil(there * _KEPT[0]), there
    kept = pipeline.target or pipeline.most
    share = history.kept if history and history.kept else _KEPT[1]
    return there + kept, there + min(pipeline.most, math.ceil(kept / min(share, _KEPT[0])))


def requests_of(pipeline: Pipeline, place: int, seeds: Sequence[Record]) -> list[Request]:
    """Returns the first requests of the step at a place, which are not sent."""
    step, teacher = pipeline.steps[place], pipeline.teacher_of(place)
    ids = frozenset(seed.id for seed in seeds)
    found = []
    makes = verb_of(step) == "make"
    for ordinal in range(min(8, pipeline.round_size if makes else len(seeds))):
        llm = _Probe(ordinal, teacher, ids)
        try:
            if makes:
                asyncio.run(make_records(step, seeds, llm, Resources()))
            else:
                asyncio.run(ask_about(step, seeds[ordinal], llm, Resources()))
        except _Asked as asked:
            found.append(asked.request)
    return found


def _rounds(
    pipeline: Pipeline,
    place: int,
    seeds: Sequence[Record],
    request: Request,
    history: History | None,
) -> tuple[int, int]:
    """Returns how many requests the rounds of a step that makes records have."""
    records, requests = _per_call(pipeline, place, seeds, request)
    per_request = (history and history.per_request) or records / requests
    wanted = pipeline.target / len(pipeline.makers) if pipeline.target else pipeline.most
    shares = (history.kept, history.kept) if history and history.kept else _KEPT
    least, most_asked = (
        math.ceil(min(wanted / share if pipeline.target else wanted, pipeline.most) / per_request)
        for share in reversed(shares)
    )
    # A round is finished once it is begun.
    size = pipeline.round_size * requests
    low, high = (math.ceil(math.ceil(n / size) * size) for n in (least, most_asked))
    return low, high


def _costs(
    teacher: Teacher,
    requests: Sequence[Request],
    asked: tuple[int, int],
    history: History | None,
) -> Plan:
    low, high = asked
    sent = sum(each.chars for each in requests) / len(requests)
    most = requests[0].n * requests[0].max_tokens
    back = (history.output_tokens,) * 2 if history else (most * 0.2, most)
    price = teacher.prices()
    tokens_in = [sent / chars * n for chars, n in zip(_CHARS_PER_TOKEN, (low, high), strict=True)]
    tokens_out = [each * n for each, n in zip(back, (low, high), strict=True)]
    usd = [
        (Decimal(round(i)) * price.input + Decimal(round(o)) * price.output) / 1_000_000
        for i, o in zip(tokens_in, tokens_out, strict=True)
    ]
    seconds = _seconds(teacher, (low, high), tokens_in, tokens_out, history)
    return Plan(
        requests=(low, high),
        tokens=(round(tokens_in[0] + tokens_out[0]), round(tokens_in[1] + tokens_out[1])),
        usd=(usd[0], usd[1]),
        seconds=(round(seconds[0]), round(seconds[1])),
        priced=teacher.has_price,
        known=history is not None and history.kept is not None,
    )


def _seconds(
    teacher: Teacher,
    requests: tuple[int, int],
    tokens_in: Sequence[float],
    tokens_out: Sequence[float],
    history: History | None,
) -> tuple[float, float]:
    if history and history.seconds is not None:
        return requests[0] * history.seconds * 0.8, requests[1] * history.seconds * 1.2
    speeds = _EMBEDDED if teacher.provider == "embedded" else _HOSTED
    lanes = 1 if teacher.provider == "embedded" else teacher.concurrency
    low, high = (
        (i * read + o * write) / lanes
        for i, o, (read, write) in zip(tokens_in, tokens_out, speeds, strict=True)
    )
    return low, high


def _per_call(
    pipeline: Pipeline, place: int, seeds: Sequence[Record], request: Request
) -> tuple[float, float]:
    """Returns how many records and requests one call of a step is likely to come to.

    A step of several requests, or of several records in an answer, says so itself: `expected`.
    """
    step = pipeline.steps[place]
    expected = getattr(step, "expected", None)
    if expected is None:
        return float(request.n), 1.0
    ids = frozenset(seed.id for seed in seeds)
    records, requests = expected(seeds, _Probe(0, pipeline.teacher_of(place), ids))
    return float(records), float(requests)
