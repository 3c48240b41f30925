"""sql: does a model's query give what the gold query gives, and not on one database alone?

Each line of the file has `instruction` (the question), `input` (the schema and its rows: CREATE
and INSERT statements) and `output` (the gold query, one SELECT):

    {"instruction": "Who is over 30?", "input": "CREATE TABLE p (name TEXT, age INTEGER);
    INSERT INTO p VALUES ('Ann', 41), ('Ben', 29);", "output": "SELECT name FROM p WHERE age > 30"}

An answer is right if it agrees with the gold query on every database of a test suite (Zhong, Yu,
Klein 2020, arXiv 2010.02840; see `datakit.sqlite.suite`). Answers run in a confined process only.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datakit.direct import open_input
from datakit.errors import InputError
from datakit.files import shown_path
from datakit.record import Record
from datakit.sqlite import GoldError, Match, Suite, Suites
from datakit.sqlite.extract import extract_sql
from trainers.evaluate import Items, TaskOptions
from trainers.examples import Message, chats

if TYPE_CHECKING:
    from trainers.evaluate.subject import Subject

__all__ = ["Question", "SqlTask", "open_task"]

MAX_NEW_TOKENS = 256
_SHOWN = 10
_CACHED = 10_000
# Suites depend on these two texts alone; a model and its base meet the same ones.
_SUITES: dict[tuple[str, str], Suite] = {}


@dataclass(frozen=True)
class Question:
    """One item.

    Attributes:
        id: The record's id.
        prompt: Turns; the last is the user's.
        schema: CREATE and INSERT statements.
        gold: The gold query.
    """

    id: str
    prompt: tuple[Message, ...]
    schema: str
    gold: str


@dataclass(frozen=True)
class SqlTask:
    """The task.

    Metrics, 0 or 1 for each item: `right` on every database of the item's suite, `right_one_db` on
    the given rows alone (execution accuracy as it is mostly reported), `runs` on the given rows.

    Attributes:
        text: What the user wrote.
        questions: The items.
        max_new_tokens: Most tokens of an answer.
    """

    text: str
    questions: tuple[Question, ...]
    max_new_tokens: int = MAX_NEW_TOKENS

    def __len__(self) -> int:
        return len(self.questions)

    def run(self, subject: Subject, note: Callable[[str], None]) -> Items:
        """Asks the model all questions and holds its queries against the suites."""
        self.suites(note)
        note(f"{self.text}: {len(self):,} answers of up to {self.max_new_tokens:,} tokens")
        answers = subject.generate(
            [each.prompt for each in self.questions], max_new_tokens=self.max_new_tokens
        )
        return self.score(answers, note)

    def suites(self, note: Callable[[str], None] = lambda _: None) -> list[Suite]:
        """Returns a test suite for each item; those of gold queries seen before are at hand.

        Raises:
            InputError: If a gold query or its schema fails.
        """
        wanted = dict.fromkeys((each.schema, each.gold) for each in self.questions)
        missing = [key for key in wanted if key not in _SUITES]
        if missing:
            note(f"{self.text}: building {len(missing):,} test suites")
            start = time.monotonic()
            if len(_SUITES) + len(missing) > _CACHED:
                _SUITES.clear()
                missing = list(wanted)
            with Suites() as suites:
                for key in missing:
                    _SUITES[key] = _build(suites, key, self.text)
            note(f"{self.text}: {len(missing):,} suites in {time.monotonic() - start:.1f} s")
        return [_SUITES[each.schema, each.gold] for each in self.questions]

    def score(self, answers: Iterable[str], note: Callable[[str], None] = lambda _: None) -> Items:
        """Scores answers that are there already, one for each item in order.

        Args:
            answers: What a model wrote; the SQL is taken out of it.
            note: Is told what it costs.
        """
        given, built = tuple(answers), self.suites(note)
        start = time.monotonic()
        with Suites() as suites:
            matches = [
                suites.match(suite, extract_sql(answer))
                for suite, answer in zip(built, given, strict=True)
            ]
        seconds = max(time.monotonic() - start, 1e-3)
        note(f"{self.text}: {len(given):,} answers checked, {len(given) / seconds:,.0f} a second")
        return Items(
            ids=tuple(each.id for each in self.questions),
            scores={
                "right": tuple(float(each.right) for each in matches),
                "right_one_db": tuple(float(each.right_one_db) for each in matches),
                "runs": tuple(float(each.runs) for each in matches),
            },
            answers=given,
            notes=(*_luck(matches), *_strength(built)),
        )


def open_task(argument: str, options: TaskOptions) -> SqlTask:
    """Reads the items of a file or version, and runs their gold queries.

    Args:
        argument: Records whose input is a schema and whose output is a query.
        options: All count.

    Raises:
        InputError: If the records cannot be read, or a gold query fails on its own rows; names
            file and line.
        MissingExtraError: If sqlglot is not installed.
    """
    found: list[Question] = []
    wrong: list[str] = []
    with _open_suites() as suites:
        for where, record in _records(argument, options.store):
            if options.limit is not None and len(found) >= options.limit:
                break
            question = _question(record)
            try:
                suites.check(question.schema, question.gold)
            except GoldError as error:
                wrong.append(_told(where, question, error))
                if len(wrong) >= _SHOWN:
                    wrong.append(f"Only the first {_SHOWN} mistakes are shown; there may be more.")
                    break
            found.append(question)
    if wrong:
        raise InputError(wrong)
    return SqlTask(f"sql:{argument}", tuple(found), options.max_new_tokens or MAX_NEW_TOKENS)


def _open_suites() -> Suites:
    try:
        return Suites()
    except RuntimeError as error:
        raise InputError(f"--task sql: {error}.") from None


def _records(argument: str, store: str | None) -> Iterator[tuple[str, Record]]:
    """Yields records with the place where each stands."""
    place = ""

    def seen(where: str, _: object) -> None:
        nonlocal place
        place = where

    for number, record in enumerate(open_input(argument, store=store, seen=seen), 1):
        yield place or f"{shown_path(argument)}, record {number}", record


def _question(record: Record) -> Question:
    (chat,) = chats([record])
    # Only a block of Markdown is taken off: a gold query must be one statement by itself.
    gold = extract_sql(record.output) if "```" in record.output else record.output
    return Question(record.id, chat.messages[:-1], record.input, gold)


def _told(where: str, question: Question, error: GoldError) -> str:
    what = "the schema (input)" if error.reason == "bad_schema" else "the gold query (output)"
    hint = "" if question.schema.strip() else " Its input is empty: put the schema there."
    return f"{where}: {what} does not run: {error.reason}: {error.message}.{hint}"


def _build(suites: Suites, key: tuple[str, str], text: str) -> Suite:
    try:
        return suites.build(*key)
    except GoldError as error:
        raise InputError(f"--task {text}: a gold query does not run: {error}: {key[1]}") from None


def _luck(matches: list[Match]) -> Iterator[str]:
    one = sum(each.right_one_db for each in matches)
    lucky = sum(each.right_one_db and not each.right for each in matches)
    if one:
        yield (
            f"Of {one:,} answers that agree with the gold query on the given rows, {lucky:,} "
            "do so by luck: they are wrong on another database."
        )
    reasons = Counter(each.reason for each in matches if each.reason is not None)
    if reasons:
        listed = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        yield "Wrong answers: " + ", ".join(f"{word} {count:,}" for word, count in listed) + "."


def _strength(suites: list[Suite]) -> Iterator[str]:
    mutants, killed = sum(each.mutants for each in suites), sum(each.killed for each in suites)
    lucky = sum(each.lucky for each in suites)
    yield (
        f"{killed:,} of {mutants:,} mutants of the gold queries are told apart; the others may "
        f"mean the same. {lucky:,} of them agree with the gold query on the given rows."
    )
    bare = sum(each.mutants == 0 for each in suites)
    if bare:
        yield (
            f"For {bare:,} gold queries no mutants could be made: random databases alone stand "
            "behind them."
        )
