"""Checks of an answer that need no judge: against a reference, against others, by running it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from datakit.numbers import final, number_in, plain, sole_number
from datakit.record import Record
from datakit.sqlite import Sandbox, Verdict
from datakit.sqlite.extract import extract_sql
from datakit.step import Resources

__all__ = ["Compare", "Reference", "agreeing", "own_query", "query_of", "run_query"]

Compare = Literal["auto", "exact", "numeric"]


@dataclass(frozen=True)
class Reference:
    """The right answer of a record.

    Args:
        text: Its result in plain form; see `numbers.plain`.
        number: Its number, if that is what is compared.
        exact: Whether an equal text is right too.
    """

    text: str
    number: Fraction | None
    exact: bool

    @classmethod
    def of(cls, output: str, compare: Compare) -> Reference | None:
        """Reads a right answer, or returns None if it has nothing to compare with.

        Args:
            output: The answer; what follows `####`, or stands in a `boxed`, is its result.
            compare: `exact`: case, white space, and marks around a result make no difference.
                `numeric`: its last number by value. `auto`: by value where the result is a number
                with no more than a unit, else `exact`.
        """
        result = final(output)
        if compare == "numeric":
            number = number_in(result)
            return None if number is None else cls(plain(result), number, False)
        number = sole_number(result) if compare == "auto" else None
        return cls(plain(result), number, True) if plain(result) else None

    def fits(self, answer: str) -> bool:
        """Returns whether an answer has this result; a number in prose is its last one."""
        result = final(answer)
        if self.exact and plain(result) == self.text:
            return True
        return self.number is not None and number_in(result) == self.number


def agreeing(answers: Sequence[str], compare: Compare) -> list[int]:
    """Returns which answers agree in their result: the most, and of as many the first.

    Args:
        answers: The answers.
        compare: As for a reference; by `numeric`, those without a number agree with none.
    """
    groups: dict[str | Fraction, list[int]] = {}
    for at, answer in enumerate(answers):
        result = final(answer)
        number = None
        if compare != "exact":
            number = number_in(result) if compare == "numeric" else sole_number(result)
        key = plain(result) if number is None and compare != "numeric" else number
        if key is not None and key != "":
            groups.setdefault(key, []).append(at)
    return max(groups.values(), key=len, default=[])


def query_of(answer: str) -> str:
    """Returns the query of an answer, without the words and marks around it."""
    return extract_sql(answer)


def own_query(record: Record) -> str:
    """Returns the query that is a record's output; only a block of Markdown is taken off."""
    return extract_sql(record.output) if "```" in record.output else record.output


async def run_query(schema: str, query: str, resources: Resources) -> Verdict:
    """Runs a query on its schema in a confined process, while other records go on.

    Args:
        schema: CREATE and INSERT statements.
        query: One SELECT, WITH or VALUES.
        resources: Where the process is opened.
    """
    return await asyncio.to_thread(resources.open(Sandbox).check, schema, query)
