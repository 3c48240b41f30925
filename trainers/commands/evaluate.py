"""eval: what a model can do, by tasks with intervals, and what its training gave and cost."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datakit.cli.console import Console, command, one_line
from datakit.errors import InputError
from trainers.evaluate import TASKS, TaskOptions
from trainers.evaluate.outcome import Outcome
from trainers.evaluate.run import Evaluation, measure
from trainers.stats import Interval

__all__ = ["evaluate"]


def _args(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    forms = {
        f"{name}:{kind.argument}".replace(":[", "[:"): kind.summary for name, kind in TASKS.items()
    }
    width = max(map(len, forms))
    listed = "\n".join(f"  {form:{width}}  {text}" for form, text in forms.items())
    parser.epilog = f"tasks:\n{listed}"
    parser.add_argument(
        "model",
        help="embedded, a folder (checkpoint or adapter), a .gguf file, a hub id, or a server's "
        "URL (http://host:port/v1, or http://host:port/v1#model)",
    )
    parser.add_argument(
        "--task",
        action="append",
        required=True,
        metavar="NAME:ARGUMENT",
        help="what to measure; may be given several times",
    )
    parser.add_argument("--items", metavar="FILE", help="write scores and answers of every item")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N items of a task")
    parser.add_argument("--batch", type=int, metavar="N", help="items looked at together")
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help="most tokens of an answer")
    parser.add_argument(
        "--base", metavar="MODEL", help="compare with this model (what it was trained from)"
    )
    parser.add_argument("--no-base", action="store_true", help="leave the base out of the tasks")
    parser.add_argument(
        "--no-general", action="store_true", help="leave the general set out (what was forgotten)"
    )
    parser.add_argument(
        "--dtype",
        choices=["auto", "float32", "bfloat16", "nf4"],
        default="auto",
        help="of the weights (auto: the faster one of the first two here; nf4: in 4 bits)",
    )
    parser.add_argument(
        "--template", default="", metavar="NAME", help="chat template, where the model has none"
    )


@command(_args)
def evaluate(args: argparse.Namespace, console: Console) -> int:
    """Measure a model by tasks, with intervals; a trained one against its base as well."""
    _check(args)
    found = measure(
        args.model,
        args.task,
        base=args.base,
        compare=not args.no_base,
        general=not args.no_general,
        options=TaskOptions(args.limit, args.max_new_tokens, args.store),
        batch=args.batch,
        dtype=args.dtype,
        template=args.template,
        note=lambda text: console.repaint(one_line(text)),
    )
    if args.items:
        _write_items(Path(args.items), found)
    console.document(found.to_json())
    _show(console, found)
    return 0


def _check(args: argparse.Namespace) -> None:
    wrong = [
        f"--{name}: must be a whole number of at least 1, not {value}."
        for name, value in (
            ("limit", args.limit),
            ("batch", args.batch),
            ("max-new-tokens", args.max_new_tokens),
        )
        if value is not None and value < 1
    ]
    if args.base is not None and args.no_base:
        wrong.append("--base and --no-base: give one of them.")
    if args.items is not None:
        path = Path(args.items)
        if path.is_dir():
            wrong.append(f"--items {path}: is a folder; name a file in it.")
        elif not path.parent.is_dir():
            wrong.append(f"--items {path}: there is no folder {path.parent}. Make it first.")
    if wrong:
        raise InputError(wrong)


def _show(console: Console, found: Evaluation) -> None:
    compared = any(each.base is not None for each in found.outcomes)
    head = ["task", "metric", "value", "95 % interval", "n"]
    rows = [
        [outcome.task, name, _number(each.value), _ends(each), f"{each.n:,}"]
        + ([_base(outcome, name), _difference(outcome, name)] if compared else [])
        for outcome in found.outcomes
        for name, each in outcome.scores.items()
    ]
    head += ["base", "difference"] if compared else []
    console.table(head, rows, "llrlrrl"[: len(head)])
    for outcome in found.outcomes:
        for note in outcome.items.notes:
            console.result(one_line(f"{outcome.task}: {note}"))
    for change in found.forgetting.changes if found.forgetting else ():
        console.result(change.sentence())


def _base(outcome: Outcome, name: str) -> str:
    found = outcome.base_scores.get(name)
    return "" if found is None else _number(found.value)


def _difference(outcome: Outcome, name: str) -> str:
    found = outcome.lift.get(name)
    return "" if found is None else f"{_number(found.value, '+')}  {_ends(found, '+')}".rstrip()


def _number(value: float, sign: str = "") -> str:
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 1000 else 0
    return format(value, f"{sign},.{digits}f")


def _ends(interval: Interval, sign: str = "") -> str:
    if interval.low is None or interval.high is None:
        return ""
    return f"[{_number(interval.low, sign)}, {_number(interval.high, sign)}]"


def _write_items(path: Path, found: Evaluation) -> None:
    with _whole(path) as draft, open(draft, "w", encoding="utf-8") as file:
        file.writelines(map(_line, found.rows()))


def _line(row: dict[str, Any]) -> str:
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate has no UTF-8 form, but JSON can carry it as an escape.
        text = json.dumps(row)
    return text + "\n"


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Makes a file that takes the place of `path` when it is finished, and not before."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        os.replace(draft, path)
    except OSError as error:
        raise InputError(f"--items {path}: cannot be written: {error.strerror or error}.") from None
    finally:
        draft.unlink(missing_ok=True)
