"""datakit compare: a person chooses blindly between the answers of two models."""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datakit.amounts import counted
from datakit.cli.console import Console, command, one_line
from datakit.cli.files import fields_option
from datakit.curate import (
    AnswerLog,
    Pairs,
    PairSheet,
    RatingServer,
    WinRate,
    read_answers,
    read_pairs,
    win_rate,
)
from datakit.errors import InputError
from datakit.record import digest
from trainers.commands.asking import (
    ITEMS,
    Prompt,
    answered,
    check_key,
    make_key,
    read_prompts,
)

__all__ = ["compare"]

_ANSWERS = "answers.jsonl"
_UNBLINDED = (
    "You see which model leads before all is rated: the last {left} are rated less blindly."
)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="MODEL_A", help="embedded, a folder, .gguf, hub id or URL")
    parser.add_argument("second", metavar="MODEL_B", help="the other one")
    parser.add_argument(
        "--prompts", required=True, metavar="FILE", help="records, lines with a prompt, or a .txt"
    )
    parser.add_argument(
        "--fields",
        type=fields_option,
        metavar="OURS=THEIRS,...",
        help="names of fields: instruction=question,input=context",
    )
    parser.add_argument("--limit", type=_positive, default=20, metavar="N", help="prompts (20)")
    parser.add_argument(
        "--max-new-tokens", type=_positive, default=256, metavar="N", help="of an answer (256)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="which prompts, their order and sides (0)"
    )
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="where it is kept (comparisons/A-B-...)"
    )
    parser.add_argument("--no-open", action="store_true", help="only print the page's address")
    parser.add_argument(
        "--results", action="store_true", help="print the result of what is rated so far"
    )


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number from 1.')
    return int(text)


@command(_configure)
def compare(args: argparse.Namespace, console: Console) -> int:
    """Let two models answer, and choose between their answers without knowing whose they are."""
    models = (args.first, args.second)
    prompts = _chosen(
        read_prompts(args.prompts, store=args.store, fields=args.fields), args, console
    )
    key = make_key(models, prompts, args.max_new_tokens, args.seed)
    folder = Path(args.output) if args.output else _default(key)
    if args.results:
        pairs = _there(folder, key)
    else:
        pairs = answered(folder, models, prompts, key=key, note=console.say)
        _rate(pairs, folder, args, console)
    sheet = PairSheet(pairs)
    answers = read_answers(folder / _ANSWERS, sheet.ids, sheet.choices)
    left = len(sheet.ids) - len(answers)
    if left and answers:
        console.result(_UNBLINDED.format(left=counted(left, "pair")))
    _tell(win_rate(answers, pairs.items), pairs, key["models"], folder, console)
    return 0


def _chosen(prompts: list[Prompt], args: argparse.Namespace, console: Console) -> Sequence[Prompt]:
    """Draws prompts from all of the file: its first ones may be all of one kind."""
    if len(prompts) <= args.limit:
        return prompts
    drawn = sorted(random.Random(args.seed).sample(range(len(prompts)), args.limit))
    console.say(f"{counted(args.limit, 'prompt')} drawn of {len(prompts):,}; --limit takes more")
    return [prompts[at] for at in drawn]


def _default(key: dict[str, Any]) -> Path:
    words = [
        re.sub(r"[^A-Za-z0-9.]+", "-", Path(model).name).strip("-.")[:40] for model in key["models"]
    ]
    # A model that was trained again is told by the key in the folder, not by another name.
    name = digest({each: value for each, value in key.items() if each != "files"}, size=4)
    return Path("comparisons") / "-".join([*(word for word in words if word), name])


def _there(folder: Path, key: dict[str, Any]) -> Pairs:
    path = folder / ITEMS
    if not path.is_file():
        raise InputError(f"{path}: is not there; run the same command without --results first.")
    pairs = read_pairs(path)
    check_key(path, pairs.key, key)
    return pairs


def _rate(pairs: Pairs, folder: Path, args: argparse.Namespace, console: Console) -> None:
    """Serves the page until all is rated, if anything is open."""
    sheet = PairSheet(pairs)
    with AnswerLog(folder / _ANSWERS, sheet.ids, sheet.choices) as log:
        if len(log.answers) == len(sheet.ids):
            return
        with RatingServer(sheet, log) as server:
            # Also where nothing else is said: nobody can guess the address.
            sys.stderr.write(f"rate at {server.url}\n")
            sys.stderr.flush()
            if not args.no_open and _has_screen():
                webbrowser.open(server.url)
            try:
                _wait(server, log, len(sheet.ids), console)
            except KeyboardInterrupt:
                console.say(
                    f"{len(log.answers):,} of {len(sheet.ids):,} rated and saved; the same command "
                    "goes on."
                )
                raise


def _wait(server: RatingServer, log: AnswerLog, total: int, console: Console) -> None:
    known = 0
    while not server.wait(1.0):
        if (rated := len(log.answers)) != known:
            known = rated
            console.repaint(f"{rated:,} of {total:,} rated")


def _has_screen() -> bool:
    """Returns whether a browser has a screen: one in the terminal would take the terminal over."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _tell(rate: WinRate, pairs: Pairs, models: list[str], folder: Path, console: Console) -> None:
    sentences = rate.sentences(pairs.names)
    figures = rate.to_json()
    value = {name: figures.pop(name) for name in ("value", "low", "high")}
    console.document(
        {
            "models": models,
            "win_rate": value,
            **figures,
            "sentences": sentences,
            "folder": str(folder),
        }
    )
    for sentence in sentences:
        console.result(one_line(sentence))
    console.say(f"kept in {one_line(str(folder))}")
