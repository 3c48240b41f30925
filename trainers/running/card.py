"""The README of a trained folder, as model hubs show it."""

from __future__ import annotations

import html
import json
from typing import Any

__all__ = ["card"]


def card(facts: dict[str, Any]) -> str:
    """Returns a model card: what was trained on what, how it is loaded, what is not known.

    Args:
        facts: What run.json holds.
    """
    model, data, result = facts["model"], facts["data"], facts.get("result", {})
    is_adapter = facts["settings"].get("lora") != "none"
    lines = ["---", f"library_name: {'peft' if is_adapter else 'transformers'}"]
    if model["kind"] == "hub":
        name, _, _ = model["base"].partition("@")
        lines.append(f"base_model: {json.dumps(name)}")
    lines += [f"tags: [datakit, {facts['method']}]", "---", ""]
    lines += [f"# {facts['method'].upper()} of {_plain(model['given'])}", ""]
    kind = "An adapter (PEFT)" if is_adapter else "A whole model"
    lines.append(f"{kind}, trained with datakit {facts['packages'].get('datakit', '')}.")
    lines += ["", "| | |", "| --- | --- |"]
    rows = [
        ("base", model["base"]),
        ("base weights, SHA-256", model["sha256"]),
        ("data", f"{data['train']['ref']}, {facts['gate']['used']:,} rows"),
        ("content of the data", data["train"]["content"]),
        ("steps", f"{result.get('steps', 0):,}"),
        ("learning rate", _rate(facts)),
    ]
    if "eval_loss" in result:
        before, after = result["eval_loss_before"], result["eval_loss"]
        rows.append(("held-out loss", f"{before:.3f} before, {after:.3f} after"))
    lines += [f"| {name} | {_plain(value)} |" for name, value in rows]
    lines += ["", *(f"Warning: {_plain(each)}" for each in facts.get("warnings") or ())]
    lines += ["", "Everything else is in run.json and run.html. Not evaluated here: safety, bias."]
    return "\n".join(lines) + "\n"


def _rate(facts: dict[str, Any]) -> object:
    used = facts.get("used", {}).get("learning_rate")
    return used or facts["settings"].get("learning_rate") or "the method's own"


def _plain(value: object) -> str:
    """Returns a value that ends no table and starts no markup."""
    text = html.escape(" ".join(str(value).split()), quote=False)
    # The backslash first: one of the text's own would undo that of a mark after it.
    for mark in "\\|`[]*_":
        text = text.replace(mark, f"\\{mark}")
    return text
