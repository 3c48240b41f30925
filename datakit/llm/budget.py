"""Money: what requests cost, and the cap that is never passed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal

from datakit.errors import BudgetError, InputError
from datakit.llm.request import Request, Usage

__all__ = ["Budget", "Price", "dollars"]

_MILLION = Decimal(1_000_000)


def dollars(text: str) -> Decimal:
    """Parses an amount of US dollars.

    Raises:
        InputError: If it is not a number of at least 0.
    """
    try:
        amount = Decimal(text)
    except ArithmeticError:
        raise InputError(f'"{text}" is not an amount of US dollars, such as 5.00.') from None
    if not amount.is_finite() or amount < 0:
        raise InputError(f'"{text}" is not an amount of US dollars, such as 5.00.')
    return amount


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens.

    Args:
        input: Of what is read.
        output: Of what is written.
        cache_read: Of what is read from the prompt cache; None is as other input.
        cache_write: Of what is put into it; None likewise.
        tiers: Input tokens of a request, and the price of all of it where it has more than so many;
            the lowest first.
    """

    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    tiers: tuple[tuple[int, Price], ...] = ()

    def of(self, usage: Usage) -> Decimal:
        """Returns what the tokens of one request cost."""
        price = self
        for start, dearer in self.tiers:
            price = dearer if usage.input_tokens > start else price
        read, written = usage.cache_read_tokens, usage.cache_write_tokens
        parts = (
            (usage.input_tokens - read - written, price.input),
            (read, price.input if price.cache_read is None else price.cache_read),
            (written, price.input if price.cache_write is None else price.cache_write),
            (usage.output_tokens, price.output),
        )
        return sum((count * each for count, each in parts), Decimal(0)) / _MILLION

    def most(self, request: Request) -> Decimal:
        """Returns the most that a request can cost."""
        read, written = request.most_input_tokens, request.n * request.max_tokens
        return max(
            each.of(Usage(read, written, cache_write_tokens=cached))
            for each in (self, *(price for start, price in self.tiers if read > start))
            for cached in (0, read)
        )


class Budget:
    """A hard cap. A request reserves its highest cost before it is sent.

    Requests are let through in the order in which they ask, and one that may not fit waits for the
    real cost of those before it. So where the cap is reached does not depend on how many requests
    are in flight. After the first that does not fit, none is let through.

    Args:
        cap: US dollars, or None for no cap.
        anew: Whether only what is paid now counts, and not what an earlier run has paid for. Then
            where the cap is reached depends on what is in the log.
    """

    def __init__(self, cap: Decimal | None, *, anew: bool = False) -> None:
        self.cap = cap
        self._anew = anew
        self.spent = Decimal(0)
        self.reserved = Decimal(0)
        self._reached: BudgetError | None = None
        self._turn = asyncio.Lock()
        self._settled = asyncio.Event()

    async def reserve(self, amount: Decimal) -> None:
        """Sets the highest cost of a request aside.

        Raises:
            BudgetError: If it could pass the cap, or another could have before.
        """
        async with self._turn:
            while self.reserved and not self._reached and not self._fits(amount):
                self._settled.clear()
                await self._settled.wait()
            if not self._reached and not self._fits(amount):
                self._reached = BudgetError(
                    f"The budget of ${self.cap} is reached: ${self.spent:.4f} are spent and the "
                    f"next request may cost ${amount:.4f}. Raise it with --budget to go on from "
                    "here."
                )
            if self._reached:
                raise self._reached
            self.reserved += amount

    async def paid(self, cost: Decimal) -> None:
        """Counts, in its turn, an answer that an earlier run has paid for.

        Raises:
            BudgetError: If the cap was reached before it.
        """
        async with self._turn:
            if self._reached:
                raise self._reached
            self.spent += Decimal(0) if self._anew else cost

    def settle(self, reserved: Decimal, cost: Decimal) -> None:
        """Replaces what was set aside by what it did cost."""
        self.reserved -= reserved
        self.spent += cost
        self._settled.set()

    def _fits(self, amount: Decimal) -> bool:
        return self.cap is None or self.spent + self.reserved + amount <= self.cap
