"""`datakit train`: sft, qlora, dpo, ipo, kto, reward, and merge."""

from __future__ import annotations

import argparse
import importlib
import shlex
import sys
from pathlib import Path
from typing import Any

from datakit.cli.console import Console, command, one_line
from datakit.cli.files import fields_option
from datakit.cli.main import common
from datakit.errors import InputError
from trainers.commands.flags import add_flags, settings_from
from trainers.running.ear import Ear

__all__ = ["METHODS", "train"]

# As every command of datakit ends that was interrupted.
_INTERRUPTED = 130

# method: (module, class, values that make it this method, one line of help)
METHODS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "sft": ("trainers.sft", "SFT", {}, "supervised fine-tuning on the answers"),
    "qlora": ("trainers.qlora", "QLoRA", {}, "the same through an adapter on a base in 4 bits"),
    "dpo": ("trainers.dpo", "DPO", {}, "preference pairs, by DPO"),
    "ipo": ("trainers.dpo", "DPO", {"loss": "ipo"}, "preference pairs, by IPO"),
    "kto": ("trainers.kto", "KTO", {}, "answers labelled good or bad, by KTO"),
    "reward": ("trainers.reward", "Reward", {}, "a reward model from preference pairs"),
}


def _configure(parser: argparse.ArgumentParser) -> None:
    methods = parser.add_subparsers(dest="train_method", metavar="METHOD", required=True)
    for name, (module, cls, _, text) in METHODS.items():
        sub = methods.add_parser(name, help=text, description=text)
        _add_common(sub)
        _everywhere(sub)
        add_flags(sub, getattr(importlib.import_module(module), cls))
    text = "an adapter merged into its unquantised base, and checked against it"
    merge = methods.add_parser("merge", help=text, description=text)
    merge.add_argument("adapter", help="the folder that training wrote")
    merge.add_argument("-o", "--out", required=True, metavar="OUT", help="folder for the model")
    merge.add_argument(
        "--dtype",
        choices=["auto", "float32", "bfloat16", "float16"],
        default="auto",
        help="format of the merged weights (auto: as the base is stored)",
    )
    _everywhere(merge)


def _everywhere(parser: argparse.ArgumentParser) -> None:
    """Adds what every command takes, also after the method's name."""
    common(parser)
    names = ("store", "json", "quiet", "verbose", "no_color", "yes")
    # What was said before the method's name must not be undone by a default here.
    for action in parser._actions:
        if action.dest in names:
            action.default = argparse.SUPPRESS


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", help="a version, a file, - or a hub dataset; dolly-15k")
    parser.add_argument("--model", default="embedded", help="what to start from (embedded)")
    parser.add_argument("-o", "--out", required=True, metavar="OUT", help="folder for the result")
    parser.add_argument(
        "--held-out", metavar="DATA|SHARE", help="data to evaluate on, or a share such as 0.1"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--settings", metavar="FILE", help="settings as YAML; options win")
    parser.add_argument(
        "--fields",
        type=fields_option,
        metavar="OURS=THEIRS,...",
        help="names of fields: instruction=question,...",
    )
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="(auto: a GPU if any)"
    )


@command(_configure)
def train(args: argparse.Namespace, console: Console) -> int:
    """Train a model on a dataset: a checkpoint, run.json and a page."""
    if args.train_method == "merge":
        return _merge(args, console)
    module, cls, fixed, _ = METHODS[args.train_method]
    for name, value in fixed.items():
        if getattr(args, name, value) != value:
            raise InputError(f"--{name}: `train {args.train_method}` has {value}; leave it out.")
        setattr(args, name, value)
    settings = settings_from(getattr(importlib.import_module(module), cls), args, args.settings)
    held_out = _held_out(args.held_out)
    from trainers.running.launch import fit
    from trainers.running.run import is_main

    try:
        run = fit(
            settings,
            args.data,
            model=args.model,
            out=args.out,
            **held_out,
            resume=args.resume,
            store=args.store,
            fields=args.fields,
            device=args.device,
            command=shlex.join(["datakit", *sys.argv[1:]]),
            ear=_ear(console, speaks=is_main()),
        )
    except KeyboardInterrupt:
        if is_main():
            _say_whatever(console, _interrupted(Path(args.out)))
        return _INTERRUPTED
    if not is_main():
        return 0
    console.document(run.facts)
    for line in run.summary():
        console.result(one_line(line))
    return 0


def _ear(console: Console, *, speaks: bool) -> Ear:
    """Returns who passes what happens on to the terminal; of several processes one speaks."""
    if not speaks:
        return Ear()

    def table(title: str, rows: list[tuple[str, str]]) -> None:
        if rows:
            width = max(len(name) for name, _ in rows)
            console.say(title)
            for name, text in rows:
                console.say(f"  {name:<{width}}  {text}")

    return Ear(console.say, lambda text, last: console.repaint(text, last=last), table)


def _say_whatever(console: Console, text: str) -> None:
    """Says it with --quiet too, as a mistake would be."""
    if console.quiet:
        sys.stderr.write(f"{text}\n")
    else:
        console.say(text)


def _interrupted(out: Path) -> str:
    """Returns what is left of a training that was interrupted, and how it goes on."""
    from trainers.models import RUN_FILE
    from trainers.running.checkpoints import FOLDER, last_checkpoint

    if not (out / RUN_FILE).is_file():
        return "Interrupted before the training began; nothing was written."
    checkpoint = last_checkpoint(out / FOLDER)
    if checkpoint is None:
        return (
            "Interrupted. There is no checkpoint yet: the same command with --resume begins the "
            "training anew."
        )
    return (
        f"Interrupted. The last checkpoint is {checkpoint}; the same command with --resume goes "
        "on from there."
    )


def _held_out(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        share = float(text)
    except ValueError:
        return {"held_out": text}
    if not 0 < share < 1:
        raise InputError(f"--held-out {text}: a share lies between 0 and 1, such as 0.1.")
    return {"held_out_share": share}


def _merge(args: argparse.Namespace, console: Console) -> int:
    from trainers.merging import merge

    merged = merge(args.adapter, args.out, dtype=args.dtype, say=console.say)
    console.document(merged.to_json())
    for line in merged.summary():
        console.result(line)
    return 0


def main() -> int:
    """Runs `train` under `accelerate launch -m trainers.commands.train sft ...`."""
    from datakit.cli.main import main as cli

    return cli(["train", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
