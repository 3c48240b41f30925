"""eval: what a model can do, by tasks with intervals, and what its training gave and cost."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from datakit.cli.console import Console, command, one_line
from datakit.errors import InputError
from trainers.commands.judges import add_judge, judge_of
from trainers.evaluate import TASKS, TaskOptions
from trainers.evaluate.judged import Judged
from trainers.evaluate.progress import Lasting
from trainers.evaluate.run import Evaluation, How, Interrupted, measure_each
from trainers.evaluate.shown import SIDES, figure_lines, table
from trainers.page.evaluated import render

__all__ = ["evaluate"]


def _args(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _listed()
    _args_of_items(parser)
    _args_of_models(parser)
    add_judge(parser)


def _listed() -> str:
    """Returns the tasks, and a line of the file of each that has one."""
    forms = {
        f"{name}:{kind.argument}".replace(":[", "[:"): kind.summary for name, kind in TASKS.items()
    }
    width = max(map(len, forms))
    listed = [f"  {form:{width}}  {text}" for form, text in forms.items()]
    files = [
        f"  {name:{width}}  {kind.example}"
        for name, kind in TASKS.items()
        if "FILE" in kind.argument
    ]
    return "\n".join(["tasks:", *listed, "", "a line of FILE, for each task:", *files])


def _args_of_items(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        nargs="+",
        help="embedded, a folder (checkpoint or adapter), a .gguf file, a hub id, or a server's "
        "URL (http://host:port/v1, or http://host:port/v1#model); several are measured in turn",
    )
    parser.add_argument(
        "--task",
        action="append",
        required=True,
        metavar="NAME:ARGUMENT",
        help="what to measure; may be given several times",
    )
    parser.add_argument("--items", metavar="FILE", help="write scores and answers of every item")
    parser.add_argument("--page", metavar="FILE", help="write the result as an HTML page")
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="only the first N items of a task, and of the general set",
    )
    parser.add_argument("--batch", type=int, metavar="N", help="items looked at together")
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help="most tokens of an answer")


def _args_of_models(parser: argparse.ArgumentParser) -> None:
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
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="(auto: a GPU if any)"
    )
    parser.add_argument(
        "--template", default="", metavar="NAME", help="chat template, where the model has none"
    )


@command(_args)
def evaluate(args: argparse.Namespace, console: Console) -> int:
    """Measure models by tasks, with intervals; a trained one against its base as well."""
    _check(args)
    try:
        found = _measured(args, console)
    except Interrupted as stop:
        there = [each for each in (*stop.earlier, stop.found) if each.outcomes]
        if there:
            _tell(args, console, there)
        raise
    _tell(args, console, found)
    if stopped := next((each.stopped for each in found if each.stopped), None):
        raise stopped
    return 0


def _measured(args: argparse.Namespace, console: Console) -> list[Evaluation]:
    def note(text: str) -> None:
        if isinstance(text, Lasting):
            console.say(one_line(text))
        else:
            line = one_line(text)
            console.repaint(_fitting(line) if console.live else line)

    how = How(
        base=args.base,
        compare=not args.no_base,
        general=not args.no_general,
        options=TaskOptions(args.limit, args.max_new_tokens, args.store),
        batch=args.batch,
        dtype=args.dtype,
        device=args.device,
        template=args.template,
        judge=judge_of(args),
        against=args.against,
    )
    return measure_each(args.model, args.task, how, note)


def _fitting(text: str) -> str:
    # A line that goes on in the next one could not be painted over.
    width = shutil.get_terminal_size().columns - 1
    return text if len(text) <= width else f"{text[: width - 1]}\u2026"


def _tell(args: argparse.Namespace, console: Console, found: Sequence[Evaluation]) -> None:
    """Writes and prints what was found."""
    several = len(args.model) > 1
    rows = (
        {"model": each.model, **row} if several else row for each in found for row in each.items()
    )
    if args.items:
        _write(Path(args.items), "--items", map(_line, rows))
    documents = [each.to_json() for each in found]
    if args.page:
        judged = [row for each in found for row in _quoted(each)]
        _write(Path(args.page), "--page", [render({"models": documents, "judged": judged})])
    console.document({"models": documents} if several else documents[0])
    for each in found:
        if several:
            console.result(console.bold(one_line(each.model)))
        _show(console, each)
    if args.page:
        console.result(one_line(f"page   {args.page}"))


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
    if len({*args.model}) < len(args.model):
        wrong.append("A model is given twice.")
    for name in ("items", "page"):
        given = getattr(args, name)
        wrong += _unwritable(Path(given), f"--{name}") if given is not None else []
    if wrong:
        raise InputError(wrong)


def _unwritable(path: Path, option: str) -> tuple[str, ...]:
    if os.path.isdir(path):
        return (f"{option} {path}: is a folder; name a file in it.",)
    if not os.path.isdir(path.parent):
        return (f"{option} {path}: there is no folder {path.parent}. Make it first.",)
    try:
        with _draft(path, option) as draft:
            draft.touch()
    except InputError as error:
        return error.problems
    return ()


def _show(console: Console, found: Evaluation) -> None:
    head, rows = table(found.outcomes)
    if rows:
        console.table(head, rows, SIDES[: len(head)])
    for outcome in found.outcomes:
        for judged in outcome.judged:
            _show_judged(console, outcome.task, judged)
        for note in outcome.items.notes:
            console.result(one_line(f"{outcome.task}: {note}"))
    for change in found.forgetting.changes if found.forgetting else ():
        console.result(change.sentence())
    if found.unfinished:
        console.result(one_line(f"Not finished: {'; '.join(found.unfinished)}."))


def _show_judged(console: Console, task: str, judged: Judged) -> None:
    """Prints figures, each with what people think of the judge, and the verdict."""
    first, *rest = judged.sentences()
    console.result(console.bold(one_line(f"{task}: {first}")))
    for text in (*figure_lines(judged), *rest):
        console.result(one_line(f"  {text}"))


def _quoted(found: Evaluation) -> Iterator[dict[str, Any]]:
    """Yields what was judged, for the page to quote from."""
    for outcome in found.outcomes:
        if outcome.judged:
            for row in outcome.rows():
                yield {"model": found.model, **row}


def _write(path: Path, option: str, lines: Iterable[str]) -> None:
    with _draft(path, option) as draft:
        with open(draft, "w", encoding="utf-8") as file:
            file.writelines(lines)
        os.replace(draft, path)


def _line(row: dict[str, Any]) -> str:
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate has no UTF-8 form, but JSON can carry it as an escape.
        text = json.dumps(row)
    return text + "\n"


@contextmanager
def _draft(path: Path, option: str) -> Iterator[Path]:
    """Gives the name of a file that may take the place of `path` when it is finished."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
    except OSError as error:
        text = f"{option} {path}: cannot be written: {error.strerror or error}."
        raise InputError(text) from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
