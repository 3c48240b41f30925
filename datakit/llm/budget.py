"""Money: what requests cost, and the cap that is never passed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from datakit.errors import BudgetError, InputError
from datakit.llm.request import Request, Usage

__all__ = ["Budget", "Price", "dollars"]

_MILLION = Decimal(1_000_000)
# Fewer characters per token than any tokenizer in use needs for prose or code.
_CHARS_PER_TOKEN = 2


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
    """US dollars per million tokens."""

    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)

    def of(self, usage: Usage) -> Decimal:
        """Returns what the tokens cost."""
        return (usage.input_tokens * self.input + usage.output_tokens * self.output) / _MILLION

    def most(self, request: Request) -> Decimal:
        """Returns the most that a request can cost."""
        usage = Usage(request.chars // _CHARS_PER_TOKEN + 16, request.n * request.max_tokens)
        return self.of(usage)


class Budget:
    """A hard cap. A request reserves its highest cost before it is sent.

    Args:
        cap: US dollars, or None for no cap.
    """

    def __init__(self, cap: Decimal | None) -> None:
        self.cap = cap
        self.spent = Decimal(0)
        self._reserved = Decimal(0)

    def reserve(self, amount: Decimal) -> None:
        """Sets the highest cost of a request aside.

        Raises:
            BudgetError: If it could pass the cap.
        """
        if self.cap is not None and self.spent + self._reserved + amount > self.cap:
            raise BudgetError(
                f"The budget of ${self.cap} is reached: ${self.spent:.4f} are spent and the next "
                f"request may cost ${amount:.4f}. Raise it with --budget to go on from here."
            )
        self._reserved += amount

    def settle(self, reserved: Decimal, cost: Decimal) -> None:
        """Replaces what was set aside by what it did cost."""
        self._reserved -= reserved
        self.spent += cost
