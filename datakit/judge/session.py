"""A judge that is open: asked about many things at once, and about none of them twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from datakit.errors import BudgetError, InputError, did_you_mean
from datakit.llm.budget import Budget
from datakit.llm.calls import Calls
from datakit.llm.client import Client, Totals
from datakit.llm.llm import LLM
from datakit.llm.log import ResponseLog
from datakit.llm.loop import Loop
from datakit.llm.request import Provider
from datakit.llm.teacher import Teacher, check_budget, open_provider
from datakit.outcome import Drop
from datakit.record import digest
from datakit.step import parameters

__all__ = ["Session", "check_judge"]

T = TypeVar("T")
R = TypeVar("R")


class Session:
    """A teacher, the log of its answers, and a budget; to be used in a `with` block.

    Args:
        teacher: Who judges: a `Teacher`, or its fields, `{"provider": "openai", "model": "m"}`.
        log: The file in which answers are kept; those that are there are not asked for again.
        budget: US dollars, a hard cap; answers of the log count, as they were paid for.
        random_seed: Every chance comes from it.

    Raises:
        InputError: With what is wrong: a field, a key, a package; or a budget without a price.
    """

    def __init__(
        self,
        teacher: Teacher | Mapping[str, Any],
        log: str | Path,
        *,
        budget: Decimal | None = None,
        random_seed: int = 0,
    ) -> None:
        self.teacher = teacher if isinstance(teacher, Teacher) else _teacher(teacher)
        self.stopped: BudgetError | None = None
        provider = check_judge(self.teacher, budget)
        self._seed = random_seed
        self._log = ResponseLog(Path(log))
        self._client = Client(
            provider,
            self._log,
            self.teacher.prices(),
            Budget(budget),
            self.teacher.pace(),
            self.teacher.license,
        )
        self._loop = Loop()

    @property
    def model(self) -> str:
        """The judge's model."""
        return self._client.provider.model

    @property
    def totals(self) -> Totals:
        """What was asked for, and what it cost."""
        return self._client.totals

    def map(
        self,
        items: Iterable[T],
        ask: Callable[[T, LLM], Coroutine[Any, Any, R]],
        key: Callable[[T], str],
        *,
        label: str = "judge",
        tell: Callable[[int], None] = lambda _: None,
    ) -> list[R | Drop]:
        """Asks about many items, many at once, and returns what is said of them in their order.

        An item whose request is refused has a `Drop` with the reason; one that the budget does not
        allow `Drop("budget")`, and `stopped` says so.

        Args:
            items: The items.
            ask: Asks about one, its requests one after the other.
            key: What tells an item from others whatever their order is: its answers are found
                under it.
            label: What tells these questions from others about the same items.
            tell: Is called with the number of items that are done.

        Raises:
            ProviderError: If the provider failed for good; what it answered is kept.
        """
        counts: Counter[str] = Counter()

        def call(item: T) -> Coroutine[Any, Any, R]:
            name = key(item)
            where = f"{label}/{name}#{counts[name]}"
            counts[name] += 1
            seed = int(digest([self._seed, where], size=4), 16) >> 1
            return ask(item, LLM(self._client, where, 0, seed))

        def work() -> list[R | Drop]:
            calls, found = Calls(self._loop), []
            try:
                for _, outcome in calls.of((item, call(item)) for item in items):
                    found.append(outcome)
                    tell(len(found))
            finally:
                self.stopped = self.stopped or calls.stopped
                self._client.sync()
            return found

        return self._loop.work(work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with suppress(KeyboardInterrupt):
                self._loop.work(lambda: self._loop.run(self._client.provider.close()))
        finally:
            self._log.close()
            self._loop.__exit__(kind, error, trace)


def check_judge(teacher: Teacher, budget: Decimal | None = None) -> Provider:
    """Returns the provider of a teacher that is to judge; nothing is sent yet.

    Args:
        teacher: The teacher.
        budget: US dollars that it may cost.

    Raises:
        InputError: If it cannot judge: no key, no package, no price for a budget, or batches.
    """
    if teacher.mode == "batch":
        raise InputError(
            "The judge has mode: batch, but what it is asked next depends on what it answered, and "
            "a batch may take a day. Leave mode out, or write mode: live."
        )
    check_budget(teacher, budget)
    return open_provider(teacher)


def _teacher(fields: Mapping[str, Any]) -> Teacher:
    known: Sequence[str] = [each["name"] for each in parameters(Teacher)]
    wrong = list(_unknown(fields, known))
    if wrong:
        raise InputError(wrong)
    return Teacher(**fields)


def _unknown(fields: Mapping[str, Any], known: Sequence[str]) -> Iterator[str]:
    for key in fields:
        if key not in known:
            near = did_you_mean(key, known) or f"; there are {', '.join(known)}."
            yield f'teacher: there is no field "{key}"{near}'
