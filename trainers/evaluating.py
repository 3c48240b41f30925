"""eval: what a model can do, by tasks with intervals, and what its training gave and cost."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datakit.cli.console import Console, command, one_line, visible
from datakit.errors import InputError
from trainers.evaluate import TASKS, Task, TaskOptions, parse_tasks
from trainers.evaluate.general import Forgetting, forgetting, general_tasks
from trainers.evaluate.run import Outcome
from trainers.evaluate.run import evaluate as run_tasks
from trainers.models import ModelRef, read_json, resolve
from trainers.stats import Interval
from trainers.subject import Subject, open_subject

__all__ = ["evaluate"]

_RUN_FILE = "run.json"


def _args(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    forms = {f"{name}:{kind.argument}": kind.summary for name, kind in TASKS.items()}
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
        choices=["auto", "float32", "bfloat16"],
        default="auto",
        help="of the weights (auto: the faster one here)",
    )
    parser.add_argument(
        "--template", default="", metavar="NAME", help="chat template, where the model has none"
    )


@command(_args)
def evaluate(args: argparse.Namespace, console: Console) -> int:
    """Measure a model by tasks, with intervals; a trained one against its base as well."""
    _check(args)
    served = any(text.startswith(("http://", "https://")) for text in (args.model, args.base or ""))
    options = TaskOptions(args.limit, args.max_new_tokens, args.store)
    tasks = [*parse_tasks(args.task, options, served=served)]
    ref = resolve(args.model)
    base = None if args.base is None else resolve(args.base)
    if base is None and ref.adapter is None:
        base = _trained_from(ref, console)
    general: Sequence[Task] = ()
    if (base or ref.adapter) and not served and not args.no_general:
        general = general_tasks()
    dtypes: list[str] = []

    def opener(text: str) -> Subject:
        subject = open_subject(
            text, batch=args.batch, dtype=args.dtype, template=args.template, note=told
        )
        dtypes.append(subject.dtype)
        return subject

    def told(text: str) -> None:
        console.repaint(one_line(text))

    outcomes = run_tasks(
        opener,
        args.model,
        [*tasks, *general],
        base=base.given if base else None,
        with_base=[not args.no_base] * len(tasks) + [True] * len(general),
        note=told,
    )
    cost = forgetting(*outcomes[len(tasks) :]) if general else None
    outcomes = outcomes[: len(tasks)]
    if args.items:
        _write_items(Path(args.items), outcomes)
    measured_base = None if args.no_base and not general else _base_name(ref, base)
    console.document(_document(args.model, measured_base, dtypes[0], outcomes, cost))
    _show(console, outcomes, cost)
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


def _trained_from(ref: ModelRef, console: Console) -> ModelRef | None:
    """Returns the base that a trained folder's run.json names, if it is still there."""
    path = Path(ref.path) / _RUN_FILE
    if ref.kind != "folder" or not path.is_file():
        return None
    given = read_json(path).get("model", {}).get("base")
    if not given:
        return None
    try:
        return resolve(str(given))
    except InputError:
        console.say(
            visible(f"{path}: its base, {given}, is not there; --base MODEL says where it is now.")
        )
        return None


def _base_name(ref: ModelRef, base: ModelRef | None) -> str | None:
    if base is not None:
        return base.given
    return ref.base.given if ref.adapter else None


def _document(
    model: str,
    base: str | None,
    dtype: str,
    outcomes: Sequence[Outcome],
    cost: Forgetting | None,
) -> dict[str, Any]:
    value: dict[str, Any] = {
        "model": model,
        "dtype": dtype or None,
        "tasks": [each.to_json() for each in outcomes],
    }
    if base is not None:
        value["base"] = base
    if cost is not None:
        value["general"] = cost.to_json()
    return value


def _show(console: Console, outcomes: Sequence[Outcome], cost: Forgetting | None) -> None:
    compared = any(each.base is not None for each in outcomes)
    head = ["task", "metric", "value", "95 % interval", "n"]
    rows = [
        [outcome.task, name, _number(each.value), _ends(each), f"{each.n:,}"]
        + ([_base(outcome, name), _difference(outcome, name)] if compared else [])
        for outcome in outcomes
        for name, each in outcome.scores.items()
    ]
    head += ["base", "difference"] if compared else []
    console.table(head, rows, "llrlrrl"[: len(head)])
    for outcome in outcomes:
        for note in outcome.items.notes:
            console.result(one_line(f"{outcome.task}: {note}"))
    for change in cost.changes if cost else ():
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


def _write_items(path: Path, outcomes: Sequence[Outcome]) -> None:
    with _whole(path) as draft, open(draft, "w", encoding="utf-8") as file:
        for outcome in outcomes:
            for row in outcome.rows():
                file.write(_line(row))


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
