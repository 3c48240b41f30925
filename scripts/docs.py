"""Writes docs/steps.md and docs/commands.md from the code; `--check` only compares."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from datakit import registry
from datakit.cli.catalog import kind
from datakit.cli.main import COMMANDS, _Parser, common
from datakit.step import describe

ROOT = Path(__file__).resolve().parent.parent / "docs"
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
            parts.append("\n| key | type | default | |\n| --- | --- | --- | --- |\n")
        for each in row["parameters"]:
            default = "required" if each["required"] else f"`{json.dumps(each['default'])}`"
            if len(default) > 60:
                default = "see the source"
            cells = (f"`{each['name']}`", kind(each["schema"]), default, each["text"])
            parts.append("| " + " | ".join(cell.replace("|", "or") for cell in cells) + " |\n")
    return "".join(parts)


def commands() -> str:
    """Returns the page of all commands."""
    parts = [NOTE, "# Commands\n"]
    for name, (module, _) in COMMANDS.items():
        command = getattr(importlib.import_module(f"datakit.cli.{module}"), name)
        parser = _Parser(
            prog=f"datakit {name}",
            description=command.__doc__,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, width=96),
        )
        command.configure(parser)
        common(parser)
        parts.append(f"\n## {name}\n\n```text\n{parser.format_help()}```\n")
    return "".join(parts)


def main() -> int:
    """Writes the pages, or says which are out of date."""
    old = []
    for name, text in (("steps.md", steps()), ("commands.md", commands())):
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
