"""judge check: whether people agree with a judge, before its verdicts are believed."""

from __future__ import annotations

import argparse
import itertools
import json
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from datakit.amounts import counted, money
from datakit.cli.console import Console, command, one_line
from datakit.cli.files import fields_option
from datakit.cli.flags import positive
from datakit.cli.judging import add_asking
from datakit.config import teacher_of
from datakit.direct import open_input
from datakit.errors import InputError
from datakit.fields import FilePath
from datakit.judge import (
    FORMS,
    Asking,
    Calibration,
    Comparison,
    Grade,
    GradedAnswer,
    LabelledPair,
    Question,
    Session,
    calibrate,
    calibrate_grades,
    graded,
    labelled,
)
from datakit.llm.llm import LLM
from datakit.llm.teacher import Teacher
from datakit.outcome import Drop
from datakit.record import Record

__all__ = ["judge"]

_T = TypeVar("_T", LabelledPair, GradedAnswer)
_R = TypeVar("_R")
# What people and the judge say together, what it cost, and each item.
_Found: TypeAlias = tuple[Calibration, dict[str, Any], list[dict[str, Any]]]


def _args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["check"])
    parser.add_argument(
        "--form",
        choices=FORMS,
        default="pair",
        help="pair: which of two answers is better; grade: one answer from 1 to 10 (pair)",
    )
    parser.add_argument(
        "--labels",
        required=True,
        metavar="FILE",
        help="pairs that people compared: instruction, output_a, output_b, label (a, b or tie), "
        "also model_a, model_b, reference; or preferences (chosen, rejected). Of the form grade: "
        "instruction, output, label (1 to 10), also reference",
    )
    add_asking(parser, "--teacher", required=True)
    parser.add_argument(
        "-o", "--output", default="judge.json", metavar="OUT", help="the result (judge.json)"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N lines alone")
    parser.add_argument(
        "--fields",
        type=fields_option,
        metavar="OURS=THEIRS,...",
        help="names of fields: instruction=question",
    )
    parser.add_argument("--prompt", metavar="FILE", help="another text, with {question} and so on")


@command(_args)
def judge(args: argparse.Namespace, console: Console) -> int:
    """Ask a judge about what people have judged. Exit 1 if it is no better than chance."""
    teacher = teacher_of(args.judge, name="--teacher")
    _check(args)
    asking = Asking(
        args.form,
        FilePath(args.prompt) if args.prompt else None,
        args.temperature,
        args.max_tokens,
        not args.no_json_schema,
    )
    asking.check()
    check = _grades if args.form == "grade" else _pairs
    found, cost, items = check(args, teacher, asking, console)
    document = {**found.to_json(), "cost": cost}
    _write(args.output, {**document, "items": items})
    console.document(document)
    _tell(found, console)
    console.result(f"{'cost':<7}{_cost(document['cost'])}")
    console.result(one_line(f"{'saved':<7}{args.output}"))
    return 0 if found.agrees else 1


def _check(args: argparse.Namespace) -> None:
    """Finds out before anything is spent whether the result could not be written, or asked for."""
    path = Path(args.output)
    if path.is_dir():
        raise InputError(f"{args.output}: is a folder; name a file in it.")
    if not path.parent.is_dir():
        raise InputError(f"{args.output}: there is no folder {path.parent}. Make it first.")


def _pairs(args: argparse.Namespace, teacher: Teacher, asking: Asking, console: Console) -> _Found:
    """Asks about pairs that people have compared."""
    pairs = list(itertools.islice(labelled(_placed(args)), args.limit))
    # The same two answers are asked about once, however many people have compared them.
    asked = list({pair.key: pair for pair in pairs if pair.a != pair.b}.values())
    if not any(pair.label != "tie" for pair in pairs if pair.a != pair.b):
        text = "people prefer neither answer in any pair; there is nothing to agree with"
        raise InputError(f"{args.labels}: {text}.")

    def ask(pair: LabelledPair, llm: LLM) -> Coroutine[Any, Any, Comparison | Drop]:
        return asking.compare(llm, Question(pair.question, (pair.a, pair.b), pair.reference))

    said, cost = _asked(args, teacher, asked, ask, console, "pair")
    who = asking.describe(teacher)
    found = calibrate(pairs, said, judge=who, labels=args.labels)
    return found, cost, [_item(pair.key, pair.label, said.get(pair.key)) for pair in pairs]


def _grades(args: argparse.Namespace, teacher: Teacher, asking: Asking, console: Console) -> _Found:
    """Asks about answers that people have graded."""
    answers = list(itertools.islice(graded(_placed(args)), args.limit))
    if len({each.grade for each in answers}) < 2:
        text = "people give all answers the same grade; there is nothing to agree with"
        raise InputError(f"{args.labels}: {text}.")

    def ask(each: GradedAnswer, llm: LLM) -> Coroutine[Any, Any, Grade | Drop]:
        return asking.grade(llm, Question(each.question, (each.answer,), each.reference))

    asked = list({each.key: each for each in answers}.values())
    said, cost = _asked(args, teacher, asked, ask, console, "answer")
    who = asking.describe(teacher)
    found = calibrate_grades(answers, said, judge=who, labels=args.labels)
    return found, cost, [_item(each.key, each.grade, said[each.key]) for each in answers]


def _placed(args: argparse.Namespace) -> Iterator[tuple[str, Record]]:
    """Yields the records of the labels with the place of each, as messages name it."""
    place = ""

    def note(where: str, _: dict[str, Any]) -> None:
        nonlocal place
        place = where

    for record in open_input(args.labels, store=args.store, fields=args.fields, seen=note):
        yield place or f"{args.labels}: {record.id}", record


def _asked(
    args: argparse.Namespace,
    teacher: Teacher,
    asked: Sequence[_T],
    ask: Callable[[_T, LLM], Coroutine[Any, Any, _R | Drop]],
    console: Console,
    what: str,
) -> tuple[dict[str, _R | Drop], dict[str, Any]]:
    """Asks about all, and returns what is said by key, and what it cost."""
    log = Path(args.output).with_suffix(".responses.jsonl")
    with Session(teacher, log, budget=args.budget) as session:
        told = teacher.describe()
        console.say(f"judge {told['provider']}/{told['model']} \u00b7 {counted(len(asked), what)}")
        tell = _meter(len(asked), what, console)
        said = session.map(asked, ask, lambda each: each.key, tell=tell)
        if session.stopped:
            raise session.stopped
        totals = session.totals
    usd = f"{totals.cost:f}" if teacher.has_price else None
    cost = {"usd": usd, "requests": totals.requests, "cached": totals.cached}
    return {each.key: outcome for each, outcome in zip(asked, said, strict=True)}, cost


def _meter(count: int, what: str, console: Console) -> Callable[[int], None]:
    def tell(done: int) -> None:
        console.repaint(f"judged {done:,} of {counted(count, what)}", last=done == count)

    return tell


def _item(
    key: str, label: str | float, outcome: Comparison | Grade | Drop | None
) -> dict[str, Any]:
    told: dict[str, Any] = {"key": key, "label": label}
    if isinstance(outcome, Comparison):
        more = {"verdicts": outcome.verdicts, "reasons": outcome.reasons}
        return {**told, "winner": outcome.winner, **more}
    if isinstance(outcome, Grade):
        return {**told, "grade": outcome.score, "reason": outcome.reason}
    return {**told, "dropped": outcome.reason if outcome else "same"}


def _write(target: str, document: Mapping[str, Any]) -> None:
    """Writes the result whole or not at all."""
    path = Path(target)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
        os.replace(draft, path)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}.") from None
    finally:
        draft.unlink(missing_ok=True)


def _tell(found: Calibration, console: Console) -> None:
    first, *rest = found.sentences()
    console.result(console.bold(one_line(first)))
    for text in rest:
        console.result(one_line(text))


def _cost(cost: Mapping[str, Any]) -> str:
    price = "not known" if cost["usd"] is None else money(float(cost["usd"]))
    return f"{price} ({counted(cost['requests'], 'request')}, {cost['cached']:,} from the log)"
