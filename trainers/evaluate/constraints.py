"""IFEval's constraints: kinds with arguments, parsed, and whether an answer meets them.

A constraint is a kind, such as `length_constraints:number_words`, and its arguments (Zhou et al.
2023, arXiv 2311.07911). `trainers.evaluate.checks` has the checks, and what they take.
"""

from __future__ import annotations

import functools
import inspect
import json
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datakit.errors import InputError, did_you_mean
from datakit.fields import convert
from trainers.evaluate.checks import CHECKS, LANGUAGE

__all__ = ["KINDS", "Constraint", "loosely", "parse", "strictly"]

KINDS = tuple(sorted(CHECKS))
"""All kinds of constraints."""


@dataclass(frozen=True)
class Constraint:
    """One constraint of an item.

    Attributes:
        kind: One of `KINDS`.
        arguments: As `parse` has checked them.
    """

    kind: str
    arguments: Mapping[str, Any]

    @property
    def needs_language(self) -> bool:
        """Whether the check has to tell a language, which needs the extra `language`."""
        return self.kind.startswith(LANGUAGE)

    def met(self, answer: str) -> bool:
        """Returns whether the answer as it stands meets this; a blank one meets nothing."""
        return bool(answer.strip()) and CHECKS[self.kind](answer, **self.arguments)


def parse(kind: object, arguments: object, where: str) -> Constraint:
    """Checks a kind and its arguments as a data file gives them.

    Args:
        kind: The id of the constraint.
        arguments: Its arguments; those that are null count as left out.
        where: What a message begins with, such as `file:line`.

    Raises:
        InputError: If the kind is unknown, or an argument is missing, unknown or of a wrong type.
    """
    if not isinstance(kind, str) or kind not in CHECKS:
        near = did_you_mean(str(kind), CHECKS)
        raise InputError(f"{where}: unknown instruction {json.dumps(kind)}{near or '.'}")
    if not isinstance(arguments, Mapping):
        raise InputError(f"{where}: {kind}: its arguments must be an object.")
    given = {str(key): value for key, value in arguments.items() if value is not None}
    hints = _parameters(kind)
    if unknown := [key for key in given if key not in hints]:
        near = did_you_mean(unknown[0], hints)
        raise InputError(f"{where}: {kind}: unknown argument {json.dumps(unknown[0])}{near or '.'}")
    if missing := [key for key in hints if key not in given]:
        raise InputError(f'{where}: {kind}: the argument "{missing[0]}" is missing.')
    checked = {}
    for key, hint in hints.items():
        try:
            checked[key] = convert(given[key], hint)
        except ValueError as error:
            raise InputError(f"{where}: {kind}.{key}: {error}") from None
    return Constraint(kind, checked)


@functools.cache
def _parameters(kind: str) -> dict[str, Any]:
    check = CHECKS[kind]
    hints = typing.get_type_hints(check, include_extras=True)
    return {name: hints[name] for name in list(inspect.signature(check).parameters)[1:]}


def strictly(constraints: Sequence[Constraint], answer: str) -> list[bool]:
    """Returns for each constraint whether the answer meets it as it stands."""
    return [each.met(answer) for each in constraints]


def loosely(constraints: Sequence[Constraint], answer: str) -> list[bool]:
    """Returns for each constraint whether the answer meets it in one of eight forms.

    As the paper: as it stands, without its first line, its last, and both; each with its
    asterisks and without them.
    """
    lines = answer.split("\n")
    cut = ("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))
    forms = [answer, *cut]
    forms += [form.replace("*", "") for form in forms]
    forms = list(dict.fromkeys(forms))
    return [any(map(each.met, forms)) for each in constraints]
