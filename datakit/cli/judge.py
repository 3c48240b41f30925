"""judge check: whether people agree with a judge, before its verdicts are believed."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from datakit.amounts import counted
from datakit.cli.console import Console, command, one_line
from datakit.cli.files import fields_option
from datakit.config import load_teacher, parse_teacher
from datakit.direct import open_input
from datakit.errors import InputError
from datakit.fields import FilePath
from datakit.judge import (
    Calibration,
    Comparison,
    LabelledPair,
    Session,
    calibrate,
    compare,
    labelled,
)
from datakit.judge.texts import TEXTS
from datakit.llm.budget import dollars
from datakit.llm.llm import LLM
from datakit.llm.teacher import Teacher
from datakit.outcome import Drop
from datakit.record import Record, digest

__all__ = ["judge"]


def _args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["check"])
    parser.add_argument(
        "--labels",
        required=True,
        metavar="FILE",
        help="pairs that people compared: instruction, output_a, output_b, label (a, b or tie), "
        "also model_a and model_b; or preferences (chosen, rejected)",
    )
    parser.add_argument(
        "--teacher",
        required=True,
        metavar="YAML",
        help="the judge: '{provider: openai, model: m}', or a file with that",
    )
    parser.add_argument(
        "-o", "--output", default="judge.json", metavar="OUT", help="the result (judge.json)"
    )
    parser.add_argument("--budget", type=_usd, metavar="USD", help="a hard cap in US dollars")
    parser.add_argument("--limit", type=_positive, metavar="N", help="the first N pairs alone")
    parser.add_argument(
        "--fields",
        type=fields_option,
        metavar="OURS=THEIRS,...",
        help="names of fields: instruction=question",
    )
    parser.add_argument("--prompt", metavar="FILE", help="another text, with {question} and so on")
    parser.add_argument(
        "--temperature",
        type=_temperature,
        default=0.0,
        metavar="T",
        help="0 to 2, or none where the model allows none (0)",
    )
    parser.add_argument(
        "--max-tokens", type=_positive, default=1024, metavar="N", help="of a verdict (1024)"
    )
    parser.add_argument(
        "--no-json-schema", action="store_true", help="send no JSON Schema; a server may lack it"
    )


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15 or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number of at least 1.')
    return int(text)


def _usd(text: str) -> Decimal:
    try:
        return dollars(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _temperature(text: str) -> float | None:
    if text == "none":
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number from 0 to 2, nor none.')
    return value


@command(_args)
def judge(args: argparse.Namespace, console: Console) -> int:
    """Ask a judge about pairs that people have compared. Exit 1 if it is no better than chance."""
    teacher = _teacher(args.teacher)
    _check(args)
    pairs = _pairs(args)
    # The same two answers are asked about once, however many people have compared them.
    asked = list({pair.key: pair for pair in pairs if pair.a != pair.b}.values())
    if not any(pair.label != "tie" for pair in pairs if pair.a != pair.b):
        text = "people prefer neither answer in any pair; there is nothing to agree with"
        raise InputError(f"{args.labels}: {text}.")
    log = Path(args.output).with_suffix(".responses.jsonl")
    with Session(teacher, log, budget=args.budget) as session:
        told = teacher.describe()
        console.say(f"judge {told['provider']}/{told['model']} · {counted(len(asked), 'pair')}")
        tell = _meter(len(asked), console)
        said = session.map(asked, _asking(args), lambda pair: pair.key, tell=tell)
        if session.stopped:
            raise session.stopped
        totals, priced = session.totals, teacher.has_price
    verdicts = {pair.key: each for pair, each in zip(asked, said, strict=True)}
    text = digest([TEXTS.text(name, _own(args)) for name in ("pair", "pair_form")])
    who = {"provider": told["provider"], "model": told["model"], "prompt": text}
    found = calibrate(pairs, verdicts, judge=who, labels=args.labels)
    cost = {"usd": f"{totals.cost:f}" if priced else None, "requests": totals.requests}
    document = {**found.to_json(), "cost": {**cost, "cached": totals.cached}}
    _write(args.output, {**document, "items": [_item(pair, verdicts) for pair in pairs]})
    console.document(document)
    _tell(found, console)
    console.result(f"{'cost':<7}{_cost(document['cost'])}")
    console.result(one_line(f"{'saved':<7}{args.output}"))
    return 0 if found.agrees else 1


def _teacher(text: str) -> Teacher:
    if os.path.exists(text) or text.endswith((".yaml", ".yml")):
        return load_teacher(text)
    return parse_teacher(text, name="--teacher")


def _check(args: argparse.Namespace) -> None:
    """Finds out before anything is spent whether the result could not be written, or asked for."""
    path = Path(args.output)
    if path.is_dir():
        raise InputError(f"{args.output}: is a folder; name a file in it.")
    if not path.parent.is_dir():
        raise InputError(f"{args.output}: there is no folder {path.parent}. Make it first.")
    try:
        TEXTS.check(_own(args))
    except ValueError as error:
        raise InputError(f"--prompt: {error}.") from None


def _own(args: argparse.Namespace) -> dict[str, FilePath] | None:
    return {"pair": FilePath(args.prompt)} if args.prompt else None


def _pairs(args: argparse.Namespace) -> list[LabelledPair]:
    """Reads the pairs; mistakes name file and line."""
    place = ""

    def note(where: str, _: dict[str, Any]) -> None:
        nonlocal place
        place = where

    def placed() -> Iterator[tuple[str, Record]]:
        for record in open_input(args.labels, store=args.store, fields=args.fields, seen=note):
            yield place or f"{args.labels}: {record.id}", record

    pairs = []
    for pair in labelled(placed()):
        pairs.append(pair)
        if len(pairs) == args.limit:
            break
    return pairs


def _asking(args: argparse.Namespace) -> Callable[[LabelledPair, LLM], Any]:
    def ask(pair: LabelledPair, llm: LLM) -> Coroutine[Any, Any, Comparison | Drop]:
        return compare(
            llm,
            pair.question,
            pair.a,
            pair.b,
            prompt=FilePath(args.prompt) if args.prompt else None,
            json_schema=not args.no_json_schema,
            temperature=args.temperature,
            max_tokens=args.max_tokens,
        )

    return ask


def _meter(count: int, console: Console) -> Callable[[int], None]:
    def tell(done: int) -> None:
        console.repaint(f"judged {done:,} of {counted(count, 'pair')}", last=done == count)

    return tell


def _item(pair: LabelledPair, said: Mapping[str, Comparison | Drop]) -> dict[str, Any]:
    told: dict[str, Any] = {"key": pair.key, "label": pair.label}
    outcome = said.get(pair.key)
    if isinstance(outcome, Comparison):
        more = {"verdicts": outcome.verdicts, "reasons": outcome.reasons}
        return {**told, "winner": outcome.winner, **more}
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
    money = "not known" if cost["usd"] is None else f"${float(cost['usd']):.2f}"
    return f"{money} ({counted(cost['requests'], 'request')}, {cost['cached']:,} from the log)"
