"""Writes the pages of docs/ that repeat the code from it; `--check` only compares."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datakit import registry
from datakit.cli.catalog import kind
from datakit.cli.main import COMMANDS, _Parser, common
from datakit.llm.teacher import Teacher
from datakit.running.pipeline import Pipeline
from datakit.step import args_section, describe, parameters

ROOT = Path(__file__).resolve().parent.parent / "docs"
PIPELINE = """Paths are relative to the pipeline's file. A step is written as it is called:
`- filter.length: {min_chars: 20}`, or by its name alone. `seeds:` and `source:` take a path, or a
source with its own keys: `{source.jsonl: {path: data.csv, fields: {instruction: question}}}`.
Rounds are finished once they are begun, so a run may keep a few more than `target`.
"""
NOTE = "<!-- Written by `make docs` from the code; do not edit. -->\n\n"


def steps() -> str:
    """Returns the page of all built-in steps."""
    parts = [NOTE, "# Steps\n"]
    rows = [describe(registry.find(name)) for name in registry.names()]
    for row in rows:
        if not row["module"].startswith("datakit."):
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
    for name, (module, _) in COMMANDS.items():
        command = getattr(importlib.import_module(f"datakit.cli.{module}"), name)
        parser = _Parser(add_help=False)
        command.configure(parser)
        words = "".join(f" {_usage(action)}" for action in parser._actions)
        parts.append(f"\n## {name}\n\n{command.__doc__}\n\n    datakit {name}{words}\n")
        parts.append(_table(parser))
    parser = _Parser(add_help=False)
    common(parser)
    parts.append(f"\n## Everywhere\n\nOptions that every command has.\n{_table(parser)}")
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


def _table(parser: argparse.ArgumentParser) -> str:
    if not parser._actions:
        return ""
    rows = ["\n| argument | default | |\n| --- | --- | --- |\n"]
    for action in parser._actions:
        default = "" if action.default in (None, False, "") else f"`{action.default}`"
        default = "required" if action.required and action.nargs != "?" else default
        cells = (f"`{_shown(action, action.option_strings)}`", default, action.help or "")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(rows)


def _pages() -> list[tuple[str, str]]:
    return [("pipeline.md", pipeline()), ("steps.md", steps()), ("commands.md", commands())]


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
