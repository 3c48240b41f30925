"""Writes the pages of docs/ that repeat the code from it; `--check` only compares."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from datakit import registry
from datakit.cli.catalog import kind
from datakit.cli.main import COMMANDS, GROUP, _Parser, common
from datakit.llm.teacher import Teacher
from datakit.running.pipeline import Pipeline
from datakit.step import args_section, describe, parameters

ROOT = Path(__file__).resolve().parent.parent / "docs"
PIPELINE = """Paths are relative to the pipeline's file. A step is written as it is called:
`- filter.length: {min_chars: 20}`, or by its name alone. `seeds:` and `source:` take a path, or a
source with its own keys: `{source.jsonl: {path: data.csv, fields: {instruction: question}}}`.
Rounds are finished once they are begun, so a run may keep a few more than `target`.
"""
TRAINING = """A setting is an option (`--lora-r 8`) and a key of a file (`lora_r: 8`, given with
`--settings FILE`); options win. A method has the settings of `sft` too, but for packing and
padding.

The folder that `-o` names must not be there yet. In the end it has the adapter or the model with
its tokenizer, `run.json` (all that was done), `run.html` (the same for a reader), `README.md` (a
model card) and the checkpoints; `dropped.jsonl` where rows were left out, each with its reason.
`--held-out FILE` measures the loss on data that is not trained on, at the beginning, at the end
and every `evaluate_every` steps; `--held-out 0.1` holds a tenth of the data out, whole families,
into `held_out.jsonl`: the same records whatever the seed is. After a kill or Ctrl-C the same
command with `--resume` goes on from the last checkpoint and ends in the same weights; settings and
data must be those of the beginning.
"""
PUBLIC = """Each is read by its own columns, from the hub or, as `NAME=FILE`, from a file. None of
these ids was ever loaded whole by datakit's tests, which have no hub: the adapters were tried on
excerpts in each set's format.
"""
NOTE = "<!-- Written by `make docs` from the code; do not edit. -->\n\n"


def steps() -> str:
    """Returns the page of all built-in steps."""
    parts = [NOTE, "# Steps\n"]
    rows = [describe(registry.find(name)) for name in registry.names()]
    for row in rows:
        if not row["module"].startswith(("datakit.", "trainers.")):
            continue
        text = row["doc"].partition("\nArgs:")[0].strip()
        parts.append(f"\n## {row['name']}\n\nVerb: `{row['verb']}`. {text}\n")
        if row["parameters"]:
            parts.append(_keys(row["parameters"]))
    return "".join(parts)


def _keys(rows: Sequence[dict[str, Any]]) -> str:
    parts = ["\n| key | type | default | |\n| --- | --- | --- | --- |\n"]
    for each in rows:
        default = "required" if each["required"] else f"`{json.dumps(each['default'])}`"
        if len(default) > 60:
            default = "see the source"
        cells = (f"`{each['name']}`", kind(each["schema"]), default, each["text"])
        parts.append("| " + " | ".join(cell.replace("|", "or") for cell in cells) + " |\n")
    return "".join(parts)


def pipeline() -> str:
    """Returns the page of a pipeline's keys."""
    parts = [NOTE, "# A pipeline\n\n", PIPELINE, "\n| key | |\n| --- | --- |\n"]
    for name, text in args_section(inspect.getdoc(Pipeline) or "").items():
        if name not in ("teachers", "recipe"):
            parts.append(f"| `{name}` | {text} |\n")
    parts += ["\n## teacher\n\nA step that makes records may have its own.\n"]
    parts.append(_keys(parameters(Teacher)))
    return "".join(parts)


def commands() -> str:
    """Returns the page of all commands.

    Tables of our own, since argparse lays out its help otherwise in every version of Python.
    """
    parts = [NOTE, "# Commands\n"]
    found = {
        name: getattr(importlib.import_module(f"datakit.cli.{module}"), name)
        for name, (module, _) in COMMANDS.items()
    }
    found |= {
        point.name: point.load()
        for point in sorted(entry_points(group=GROUP), key=lambda each: each.name)
        if point.dist and point.dist.name == "datakit"
    }
    for name, command in found.items():
        parser = _Parser(add_help=False)
        command.configure(parser)
        parts.append(f"\n## {name}\n\n{command.__doc__}\n")
        parts.append(_command(name, parser))
        if name == "eval":
            parts.append(_tasks())
    parser = _Parser(add_help=False)
    common(parser)
    parts.append(f"\n## Everywhere\n\nOptions that every command has.\n{_table(parser._actions)}")
    return "".join(parts)


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    """Returns usage and arguments of a command, or of each of its methods."""
    methods = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    if not methods:
        own = [each for each in parser._actions if not isinstance(each, argparse._HelpAction)]
        own = [each for each in own if each.dest not in _everywhere()]
        settings = [each for each in own if each.default is argparse.SUPPRESS]
        own = [each for each in own if each not in settings]
        words = "".join(f" {_usage(action)}" for action in own)
        more = " [settings]" if settings else ""
        text = f"\n    datakit {name}{words}{more}\n{_table(own)}"
        return text + ("\nSettings: see [training](training.md).\n" if settings else "")
    texts = {each.dest: str(each.help) for each in methods[0]._choices_actions}
    texts = {name: text[:1].upper() + text[1:] for name, text in texts.items()}
    return "".join(
        f"\n### {name} {method}\n\n{texts[method]}.\n{_command(f'{name} {method}', sub)}"
        for method, sub in methods[0].choices.items()
    )


def _tasks() -> str:
    from trainers.evaluate import TASKS

    rows = [
        f"| `{name}:{kind.argument}` | {kind.summary} | {'no' if kind.scores_text else 'yes'} |\n"
        for name, kind in TASKS.items()
    ]
    head = "\n| task | measures | also of a served model |\n| --- | --- | --- |\n"
    files = [
        f"\n`{name}`: {kind.reads}{'' if kind.reads.endswith('.') else '.'}\n\n    {kind.example}\n"
        for name, kind in TASKS.items()
    ]
    begin = "\nWhat a line of each one's file has, and an example:\n"
    return head + "".join(rows) + begin + "".join(files)


def _everywhere() -> set[str]:
    parser = _Parser(add_help=False)
    common(parser)
    return {action.dest for action in parser._actions}


READS = {
    "chat": "Reads `instruction`, `input` and `output`, or `messages` that end with an answer. Of "
    "pairs it trains the chosen answer.",
    "pair": "Reads `instruction`, `input`, `output` (the chosen answer) and `rejected`; or the "
    "usual shapes of pairs, such as `prompt`, `chosen`, `rejected`.",
    "label": "Reads `instruction`, `input`, `output` and `label`, true for an answer to imitate "
    "and false for one to avoid; both must be there. A pair is one of each.",
}


def training() -> str:
    """Returns the page of the settings of every training method."""
    from trainers.commands.train import METHODS
    from trainers.data import SETS

    parts = [NOTE, "# Settings of a training\n\n", TRAINING]
    seen: set[str] = set()
    for name, (module, cls, fixed, text) in METHODS.items():
        kind = getattr(importlib.import_module(module), cls)
        rows = [row for row in parameters(kind) if row["name"] not in seen]
        texts: dict[str, str] = {}
        for each in reversed(kind.__mro__):
            texts |= args_section(inspect.getdoc(each) or "")
        for row in rows:
            row["text"] = texts.get(row["name"], "")
        seen |= {row["name"] for row in rows}
        held = f" With {', '.join(f'`{k}: {v}`' for k, v in fixed.items())}." if fixed else ""
        rate = f"{kind.adapter_rate:g} for an adapter, {kind.full_rate:g} for the whole model"
        parts.append(f"\n## {name}\n\n{text[:1].upper()}{text[1:]}.{held} Learning rate: {rate}.\n")
        parts.append(f"\n{READS[kind.wants]}\n")
        if rows:
            parts.append(_keys(rows))
    parts.append(f"\n## Public sets by name\n\n{PUBLIC}\n| name | hub id | licence | gives | |\n")
    parts.append("| --- | --- | --- | --- | --- |\n")
    for public in {each.id: each for each in SETS.values()}.values():
        gives = ", ".join(public.gives)
        cells = (f"`{public.name}`", public.id, public.license, gives, public.terms)
        parts.append("| " + " | ".join(cells) + " |\n")
    return "".join(parts)


def _usage(action: argparse.Action) -> str:
    text = _shown(action, action.option_strings[:1])
    needed = action.required and action.nargs != "?"
    return text if needed else f"[{text}]"


def _shown(action: argparse.Action, names: Sequence[str]) -> str:
    """Returns an argument as it is typed: its names, and the value that it takes."""
    value = action.metavar or "|".join(map(str, action.choices or ()))
    value = str(value or (action.dest.upper() if names else action.dest))
    return " ".join([", ".join(names), *([] if action.nargs == 0 else [value])]).strip()


def _table(actions: Sequence[argparse.Action]) -> str:
    if not actions:
        return ""
    rows = ["\n| argument | default | |\n| --- | --- | --- |\n"]
    for action in actions:
        default = "" if action.default in (None, False, "") else f"`{action.default}`"
        default = "required" if action.required and action.nargs != "?" else default
        cells = (f"`{_shown(action, action.option_strings)}`", default, action.help or "")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(rows)


def _pages() -> list[tuple[str, str]]:
    return [
        ("pipeline.md", pipeline()),
        ("steps.md", steps()),
        ("commands.md", commands()),
        ("training.md", training()),
    ]


def main() -> int:
    """Writes the pages, or says which are out of date."""
    old = []
    for name, text in _pages():
        path = ROOT / name
        if "--check" in sys.argv:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                old.append(path.name)
        else:
            ROOT.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if old:
        sys.stderr.write(f"out of date: {', '.join(old)}; run: make docs\n")
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
