"""ifeval: does a model follow instructions that a program can check (Zhou et al. 2023)?

`ifeval:FILE` takes a file of the published format. Each line has `key` (its id), `prompt`,
`instruction_id_list` and `kwargs`, an object for each of those instructions:

    {"key": 1, "prompt": "Describe a mill, without commas.",
    "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}

`ifeval` alone loads the published prompts from the hub.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datakit.errors import InputError, MissingExtraError, RecordError, did_you_mean
from datakit.files import shown_path
from datakit.rows import Problems, Row, plain_row, read_rows
from datakit.strict import kind_of
from trainers.evaluate import Items, TaskOptions, counting
from trainers.evaluate.constraints import Constraint, loosely, parse, strictly

if TYPE_CHECKING:
    from trainers.evaluate.subject import Subject

__all__ = ["HUB", "Example", "IfEval", "open_task"]

HUB = "google/IFEval"
"""The published prompts on the Hugging Face hub."""

# As the common harness: many of the prompts ask for hundreds of words.
MAX_NEW_TOKENS = 1280

_NEEDS = "A prompt needs key, prompt (a text), instruction_id_list and kwargs (lists)."


@dataclass(frozen=True)
class Example:
    """One prompt.

    Attributes:
        key: Its id.
        prompt: What the model is asked.
        constraints: What its answer must meet.
    """

    key: str
    prompt: str
    constraints: tuple[Constraint, ...]


@dataclass(frozen=True)
class IfEval:
    """The task.

    Four metrics for each item: `prompt_strict` and `prompt_loose` are 1 if the answer meets all
    instructions, else 0; `instruction_strict` and `instruction_loose` are the share of the item's
    instructions that it meets. The paper pools instructions over all prompts, and so does the mean
    of these shares with the weights of the items: the number of their instructions.

    Attributes:
        text: What the user wrote.
        examples: The prompts.
        max_new_tokens: Most tokens of an answer.
    """

    text: str
    examples: tuple[Example, ...]
    max_new_tokens: int = MAX_NEW_TOKENS

    def __len__(self) -> int:
        return len(self.examples)

    def run(self, subject: Subject, note: Callable[[str], None]) -> Items:
        """Asks the model all prompts and checks its answers."""
        note(f"{self.text}: {len(self):,} answers of up to {self.max_new_tokens:,} tokens")
        asked = [[{"role": "user", "content": each.prompt}] for each in self.examples]
        answers = subject.generate(asked, max_new_tokens=self.max_new_tokens)
        return self.score(answers)

    def score(self, answers: Iterable[str]) -> Items:
        """Checks answers that are there already, one for each prompt in order."""
        given = tuple(answers)
        scores: dict[str, tuple[float, ...]] = {}
        for name, check in (("strict", strictly), ("loose", loosely)):
            met = [
                check(each.constraints, answer)
                for each, answer in zip(self.examples, given, strict=True)
            ]
            scores[f"prompt_{name}"] = tuple(float(all(each)) for each in met)
            scores[f"instruction_{name}"] = tuple(sum(each) / len(each) for each in met)
        counts = tuple(float(len(each.constraints)) for each in self.examples)
        return Items(
            ids=tuple(each.key for each in self.examples),
            scores=scores,
            answers=given,
            notes=self._notes(int(sum(counts))),
            weights={"instruction_strict": counts, "instruction_loose": counts},
        )

    def _notes(self, instructions: int) -> tuple[str, ...]:
        notes = [
            f"The means of instruction_strict and instruction_loose are over all {instructions:,} "
            "instructions of the prompts, as in the paper."
        ]
        if any(each.needs_language for item in self.examples for each in item.constraints):
            notes.append(
                "The language of an answer is told by fastText, the published checker's by "
                "langdetect: they differ mostly in texts of capitals."
            )
        return tuple(notes)


def open_task(argument: str, options: TaskOptions) -> IfEval:
    """Reads the prompts of a file, or without one those of the hub.

    Args:
        argument: A file, or an empty text.
        options: `limit` and `max_new_tokens` count.

    Raises:
        InputError: If the file or the hub cannot be read, or a row is wrong.
        MissingExtraError: If an instruction is about the language, and the extra `language` is
            not installed.
    """
    where = shown_path(argument) if argument else HUB
    rows = read_rows(argument) if argument else _hub_rows()
    examples = tuple(_examples(rows))[: options.limit]
    if not examples:
        raise InputError(f"{where}: there are no prompts in it.")
    if any(each.needs_language for item in examples for each in item.constraints):
        # A missing package is told before the answers are made, not after.
        counting.detector()
    text = f"ifeval:{argument}" if argument else "ifeval"
    return IfEval(text, examples, options.max_new_tokens or MAX_NEW_TOKENS)


def _examples(rows: Iterable[Row]) -> Iterator[Example]:
    problems = Problems()
    seen: set[str] = set()
    for where, row in rows:
        try:
            example = _example(row, where)
        except RecordError as error:
            problems.add(error)
            continue
        if example.key in seen:
            problems.add(RecordError(f'{where}: the key "{example.key}" is there twice.'))
        seen.add(example.key)
        yield example
    problems.raise_if_any()


def _example(row: Mapping[str, Any], where: str) -> Example:
    prompt = _value(row, "prompt", str, where)
    key = str(_value(row, "key", str | int, where))
    names: list[object] = _value(row, "instruction_id_list", list, where)
    arguments: list[object] = _value(row, "kwargs", list, where)
    if len(names) != len(arguments):
        counts = f"{len(names)} in instruction_id_list, {len(arguments)} in kwargs"
        raise RecordError(f"{where}: each instruction needs its kwargs; there are {counts}.")
    parsed: list[Constraint] = []
    wrong: list[str] = []
    for name, each in zip(names, arguments, strict=True):
        try:
            parsed.append(parse(name, each, where))
        except InputError as error:
            wrong += error.problems
    if wrong:
        raise RecordError(wrong)
    return Example(key, prompt, tuple(parsed))


def _value(row: Mapping[str, Any], name: str, kind: Any, where: str) -> Any:  # noqa: ANN401  any JSON value
    value = row.get(name)
    if name not in row:
        raise RecordError(f'{where}: "{name}" is missing{did_you_mean(name, row) or "."} {_NEEDS}')
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RecordError(f'{where}: "{name}" must not be {kind_of(value)}. {_NEEDS}')
    if value in ("", []):
        raise RecordError(f'{where}: "{name}" is empty. {_NEEDS}')
    return value


def _hub_rows() -> Iterator[Row]:
    try:
        import datasets
    except ImportError:
        raise MissingExtraError.of("datasets", "hub", "ifeval without a file") from None
    # Both report every attempt and retry; what counts comes with the error.
    for name in ("datasets", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        rows = list(datasets.load_dataset(HUB, split="train", streaming=True))
    except Exception as error:  # the library's own and those of the network are many
        text = " ".join(str(error).split())[:300].rstrip(".")
        raise InputError(
            f"--task ifeval: the prompts {HUB} cannot be loaded from the hub: {text}. "
            "Where the hub is out of reach, name a file of them: ifeval:FILE."
        ) from None
    for number, row in enumerate(rows, 1):
        where = f"{HUB}:{number}"
        yield where, plain_row(row, where)
