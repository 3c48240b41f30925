"""The contract of a step: a frozen, validated dataclass with exactly one verb.

    make(seeds, llm)     few records in, new ones out            one request
    score(records)       adds measured values to `meta.scores`   a batch
    check(record)        keeps, or drops with a reason           one record
    select(records)      drops by looking at all records         all
    revise(record)       a child of the record, or None          one record

A source has `read()` instead: a pipeline starts from it. Beside its own argument a verb may ask
for `llm` (`make`, `score` and `revise`) and `resources` by naming them; what is named is passed.
Whoever names `llm` is a coroutine. Such a `score` is given one record at a time, and it and such a
`revise` may return a `Drop`: where the teacher has no usable answer, or speaks against the record.
Where one call comes to several requests or records, `expected(seeds, llm)` returns about how many
of both, `(records, requests)`, for a plan.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform

import msgspec

from datakit import registry
from datakit.errors import InputError
from datakit.fields import DataRef, FilePath, FileRef, FilesPath, convert, path_type

__all__ = [
    "VERBS",
    "DataRef",
    "FilePath",
    "FileRef",
    "FilesPath",
    "Resources",
    "StepError",
    "asks",
    "convert",
    "describe",
    "path_type",
    "step",
    "verb_of",
]

VERBS = ("make", "score", "check", "select", "revise", "read")
# What a verb may ask for by name, beside its own argument.
_ASKING = {"llm", "resources"}
_PASSED = {"make": _ASKING, "score": _ASKING, "revise": _ASKING, "read": set[str]()}
_RESOURCES = {"resources"}

T = TypeVar("T")
R = TypeVar("R")


class StepError(InputError, TypeError):
    """A step class does not keep the contract, or its fields have wrong values.

    Args:
        problems: Finished lines of text.
        fields: The problem of each field, by the field's name.
    """

    def __init__(self, problems: tuple[str, ...] | str, fields: Mapping[str, str] | None = None):  # noqa: ANN204
        super().__init__(problems)
        self.fields = dict(fields or {})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems, self.fields)


class Resources:
    """What is slow to open (a model, a worker process): opened once per worker, closed with it."""

    def __init__(self) -> None:
        self._opened: dict[tuple[Any, ...], Any] = {}

    def open(self, opener: Callable[..., R], *args: Any) -> R:  # noqa: ANN401  as the opener asks
        """Returns `opener(*args)`, called on the first request for these arguments only."""
        key = (opener, *args)
        if key not in self._opened:
            self._opened[key] = opener(*args)
        thing: R = self._opened[key]
        return thing

    def close(self) -> None:
        """Closes everything that has a `close` method, the last opened first."""
        while self._opened:
            _, thing = self._opened.popitem()
            close = getattr(thing, "close", None)
            if callable(close):
                close()


def _checked_init(cls: type) -> Callable[[Any], None]:
    own: Callable[[Any], None] | None = cls.__dict__.get("__post_init__")

    def check_fields(self: object) -> None:
        hints = hints_of(type(self))
        wrong: dict[str, str] = {}
        for spec in dataclasses.fields(self):  # type: ignore[arg-type]
            try:
                value = convert(getattr(self, spec.name), hints[spec.name])
            except ValueError as error:
                wrong[spec.name] = str(error)
            else:
                object.__setattr__(self, spec.name, value)
        if not wrong and own is not None:
            try:
                own(self)
            except ValueError as error:
                # "field: what is wrong" belongs to the field.
                key, mark, text = str(error).partition(": ")
                own_field = bool(mark) and key in hints
                wrong[key if own_field else ""] = text if own_field else str(error)
        if wrong:
            name = getattr(type(self), "step_name", type(self).__name__)
            lines = tuple(
                f"{name}{f'.{key}' if key else ''}: {text}" for key, text in wrong.items()
            )
            raise StepError(lines, wrong)

    return check_fields


def hints_of(cls: type) -> dict[str, Any]:
    """Returns the resolved type hints of a class, with their constraints."""
    return typing.get_type_hints(cls, include_extras=True)


@dataclass_transform(frozen_default=True)
def validated(cls: type[T]) -> type[T]:
    """Makes a class a frozen dataclass whose fields are checked against their type hints.

    A `__post_init__` of its own runs after that check and raises ValueError with a sentence.
    """
    cls.__post_init__ = _checked_init(cls)  # type: ignore[attr-defined]
    return dataclasses.dataclass(frozen=True)(cls)


@dataclass_transform(frozen_default=True)
def step(name: str) -> Callable[[type[T]], type[T]]:
    """Registers a class as the step `name` and makes it a frozen, validated dataclass.

    Args:
        name: `family.name`, as it is written in a pipeline.

    Raises:
        StepError: If the class has no verb, or several, or if the name is taken.
    """

    def register(cls: type[T]) -> type[T]:
        cls.step_name = name  # type: ignore[attr-defined]
        cls.step_verb, cls.step_wants = _find_verb(cls, name)  # type: ignore[attr-defined]
        made = validated(cls)
        registry.add(name, made)
        return made

    return register


def _find_verb(cls: type, name: str) -> tuple[str, frozenset[str]]:
    verbs = [verb for verb in VERBS if callable(getattr(cls, verb, None))]
    if len(verbs) != 1:
        raise StepError(f"{name}: a step has exactly one verb of {', '.join(VERBS)}; has {verbs}")
    parameters = list(inspect.signature(getattr(cls, verbs[0])).parameters)[1:]
    named = parameters if verbs[0] == "read" else parameters[1:]
    passed = _PASSED.get(verbs[0], _RESOURCES)
    unknown = sorted(set(named) - passed)
    if unknown:
        there = ", ".join(sorted(passed)) or "nothing"
        raise StepError(f"{name}: {verbs[0]} asks for {', '.join(unknown)}; there is {there}.")
    waits = verbs[0] == "make" or "llm" in named
    if waits and not inspect.iscoroutinefunction(getattr(cls, verbs[0])):
        shown = ", ".join(["self", *parameters])
        raise StepError(f"{name}: {verbs[0]} must be async: async def {verbs[0]}({shown}).")
    return verbs[0], frozenset(named)


def verb_of(thing: object) -> str:
    """Returns the verb of a step or of a step class."""
    verb: str = thing.step_verb  # type: ignore[attr-defined]
    return verb


def asks(thing: object) -> bool:
    """Returns whether a step, or a step class, asks a teacher."""
    wants: frozenset[str] = thing.step_wants  # type: ignore[attr-defined]
    return verb_of(thing) == "make" or "llm" in wants


def call(thing: object, *args: object, **have: object) -> Any:  # noqa: ANN401  as the verb
    """Calls a step's verb with those of `have` that it asks for by name."""
    wants: frozenset[str] = thing.step_wants  # type: ignore[attr-defined]
    return getattr(thing, verb_of(thing))(*args, **{k: v for k, v in have.items() if k in wants})


def parameters(cls: type) -> list[dict[str, Any]]:
    """Returns name, JSON Schema, text and default of each field that a user may give."""
    texts = args_section(inspect.getdoc(cls) or "")
    hints = hints_of(cls)
    rows = []
    for spec in dataclasses.fields(cls):
        if not spec.init:
            # A step finds it by itself.
            continue
        schema = msgspec.json.schema(hints[spec.name], schema_hook=_schema_hook)
        text = texts.get(spec.name, "")
        row: dict[str, Any] = {"name": spec.name, "schema": schema, "text": text}
        default = spec.default
        if spec.default_factory is not dataclasses.MISSING:
            default = spec.default_factory()
        row["required"] = default is dataclasses.MISSING
        if not row["required"]:
            row["default"] = msgspec.to_builtins(default, enc_hook=str)
        rows.append(row)
    return rows


def describe(cls: type) -> dict[str, Any]:
    """Returns name, verb, summary and parameters (type, default, text) of a step class."""
    doc = inspect.getdoc(cls) or ""
    return {
        "name": cls.step_name,  # type: ignore[attr-defined]
        "verb": verb_of(cls),
        "summary": doc.partition("\n")[0],
        "doc": doc,
        "module": cls.__module__,
        "parameters": parameters(cls),
    }


def _schema_hook(kind: type) -> dict[str, Any]:
    return {"type": "string"} if path_type(kind) else {}


def args_section(doc: str) -> dict[str, str]:
    """Returns the text of each argument in a docstring's `Args:`."""
    lines = iter(doc.partition("Args:\n")[2].splitlines())
    texts: dict[str, str] = {}
    name = ""
    for line in lines:
        if not line.startswith("    "):
            break
        if not line.startswith("     "):
            name, _, text = line.strip().partition(":")
            texts[name] = text.strip()
        elif name:
            texts[name] += " " + line.strip()
    return texts
