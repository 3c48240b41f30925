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
from datakit.running.history import History, Measured, numbered
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
    history = history or History()
    names = numbered(step.step_name for step in pipeline.steps)
    plan = Plan()
    for place in pipeline.askers:
        requests = requests_of(pipeline, place, first)
        if not requests:
            continue
        known = history.steps.get(names[place])
        if verb_of(pipeline.steps[place]) == "make":
            asked = _rounds(pipeline, place, first, requests[0], history)
        else:
            start = len(first) if there is None else there
            records = _records(pipeline, start, history.kept, known)
            _, each = _per_call(pipeline, place, first, requests[0])
            each = known.each if known and known.each else each
            asked = math.ceil(each * records[0]), math.ceil(each * records[1])
        likely = known.output_tokens if known else history.output_tokens
        seconds = known.seconds if known else None
        plan += _costs(pipeline.teacher_of(place), requests, asked, likely, seconds)
    return replace(plan, known=bool(history.steps))


def _records(
    pipeline: Pipeline, there: int, share: float | None, known: Measured | None
) -> tuple[int, int]:
    """Returns how many records a step is asked about, of all that there are and that are made.

    Those that a step before it drops are not asked about; how many that is, only an earlier run
    can tell.
    """
    came = known.came if known else None
    if not pipeline.makers:
        low, high = (came, came) if came else (_KEPT[0], 1.0)
        return math.ceil(there * low), math.ceil(there * high)
    kept = pipeline.target or pipeline.most
    made = min(pipeline.most, math.ceil(kept / (share or _KEPT[0])))
    if came and share:
        return (math.ceil(came * (there + made)),) * 2
    return there + kept, there + made


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
    history: History,
) -> tuple[int, int]:
    """Returns how many requests the rounds of a step that makes records have."""
    records, requests = _per_call(pipeline, place, seeds, request)
    name = numbered(step.step_name for step in pipeline.steps)[place]
    known = history.steps.get(name)
    per_request = known.made if known and known.made else records / requests
    wanted = pipeline.target / len(pipeline.makers) if pipeline.target else pipeline.most
    shares = (history.kept, history.kept) if history.kept else _KEPT
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
    likely: float | None,
    measured: float | None,
) -> Plan:
    """Returns what some requests cost and take.

    Args:
        teacher: Who is asked.
        requests: A few of them.
        asked: How many there are, low and high.
        likely: Output tokens of one, if that was measured.
        measured: Seconds of one, likewise.
    """
    low, high = asked
    sent = sum(each.chars for each in requests) / len(requests)
    most = requests[0].n * requests[0].max_tokens
    back = (most * 0.2, most) if likely is None else (likely, likely)
    price = teacher.prices()
    tokens_in = [sent / chars * n for chars, n in zip(_CHARS_PER_TOKEN, (low, high), strict=True)]
    tokens_out = [each * n for each, n in zip(back, (low, high), strict=True)]
    usd = [
        (Decimal(round(i)) * price.input + Decimal(round(o)) * price.output) / 1_000_000
        for i, o in zip(tokens_in, tokens_out, strict=True)
    ]
    seconds = _seconds(teacher, (low, high), tokens_in, tokens_out, measured)
    return Plan(
        requests=(low, high),
        tokens=(round(tokens_in[0] + tokens_out[0]), round(tokens_in[1] + tokens_out[1])),
        usd=(usd[0], usd[1]),
        seconds=(round(seconds[0]), round(seconds[1])),
        priced=teacher.has_price,
    )


def _seconds(
    teacher: Teacher,
    requests: tuple[int, int],
    tokens_in: Sequence[float],
    tokens_out: Sequence[float],
    measured: float | None,
) -> tuple[float, float]:
    if measured is not None:
        return requests[0] * measured * 0.8, requests[1] * measured * 1.2
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
