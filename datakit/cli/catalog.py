"""steps and schema."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from datakit import registry
from datakit.cli.console import Console, command
from datakit.config import pipeline_schema
from datakit.errors import InputError
from datakit.prompts import Prompts
from datakit.step import describe

__all__ = ["schema", "steps"]


def _steps_args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="a step: show its parameters")
    parser.add_argument("--prompt", action="store_true", help="show the step's prompts instead")


@command(_steps_args)
def steps(args: argparse.Namespace, console: Console) -> int:
    """List the registered steps, ours and those of installed packages, or explain one."""
    if args.prompt:
        _show_prompts(args.name, console)
        return 0
    if args.name:
        row = describe(registry.find(args.name))
        console.document(row)
        _explain(row, console)
        return 0
    rows = [describe(registry.find(name)) for name in registry.names()]
    console.document([{k: row[k] for k in ("name", "verb", "summary", "module")} for row in rows])
    cells = [[row["name"], row["verb"], row["summary"]] for row in rows]
    console.table(["step", "verb", "what it does"], cells, "lll")
    for problem in registry.plugin_problems():
        console.say(f"not loaded: {problem}")
    return 0


def _show_prompts(name: str | None, console: Console) -> None:
    if not name:
        raise InputError("--prompt: name the step whose prompts to show; see: datakit steps")
    found = getattr(registry.find(name), "TEXTS", None)
    if not isinstance(found, Prompts):
        raise InputError(f"{name} has no prompts of its own; see: datakit steps {name}")
    texts = {each: found.ours(each) for each in found}
    console.document(texts)
    for at, (each, text) in enumerate(texts.items()):
        if at:
            console.result()
        console.result(console.bold(f"# {each}"))
        console.result()
        console.result(text.rstrip("\n"))


def _explain(row: dict[str, Any], console: Console) -> None:
    text, _, _ = row["doc"].partition("\nArgs:")
    console.result(f"{console.bold(row['name'])} ({row['verb']}, {row['module']})")
    console.result()
    console.result(text.strip())
    console.result()
    for each in row["parameters"]:
        default = "required" if each["required"] else f"default {json.dumps(each['default'])}"
        if len(default) > 60:
            default = "default: see the source"
        console.result(f"  {each['name']}  ({kind(each['schema'])}; {default})")
        if each["text"]:
            console.result(f"      {each['text']}")


def kind(schema: dict[str, Any]) -> str:
    """Returns a JSON Schema's type in a few words."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(kind(each) for each in schema["anyOf"])
    words = str(schema.get("type", "any"))
    if words == "array":
        return f"list of {kind(schema.get('items', {}))}"
    for key, sign in (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<=")):
        if key in schema:
            words += f" {sign} {schema[key]}"
    return words


@command(lambda parser: None)
def schema(args: argparse.Namespace, console: Console) -> int:
    """Print the JSON Schema of a pipeline, for editors."""
    sys.stdout.write(json.dumps(pipeline_schema(), indent=2, ensure_ascii=False) + "\n")
    return 0
