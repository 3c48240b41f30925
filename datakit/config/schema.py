"""The JSON Schema of a pipeline, built from the registered steps."""

from __future__ import annotations

from typing import Any

import msgspec

from datakit import registry
from datakit.config.load import KEYS
from datakit.llm.teacher import Teacher
from datakit.running.pipeline import NAME
from datakit.step import asks, describe, parameters

__all__ = ["pipeline_schema"]


def pipeline_schema() -> dict[str, Any]:
    """Returns the JSON Schema (2020-12) that editors use to complete and check a pipeline."""
    rows = [describe(registry.find(name)) for name in registry.names()]
    steps = {row["name"]: _values(row["parameters"], row["doc"]) for row in rows}
    sources = {row["name"]: steps.pop(row["name"]) for row in rows if row["verb"] == "read"}
    teacher = _values(parameters(Teacher), "Which model answers, and how it is reached.")
    for row in rows:
        if asks(registry.find(row["name"])):
            steps[row["name"]]["anyOf"][0]["properties"]["teacher"] = {"$ref": "#/$defs/teacher"}
    plain = {key: msgspec.json.schema(hint) for key, hint in KEYS.items()}
    plain["name"]["pattern"] = "^" + NAME.pattern.replace(r"\Z", "$")
    # A step that needs no values may stand as its name alone.
    alone = sorted(row["name"] for row in rows if row["name"] in steps and not _required(row))
    source = {"anyOf": [{"type": "string"}, *_one_of(sources)]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "datakit pipeline",
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "steps"],
        "oneOf": [{"required": ["seeds"]}, {"required": ["source"]}],
        "properties": {
            **plain,
            "budget": {"type": ["string", "number"]},
            "seeds": source,
            "source": source,
            "teacher": {"$ref": "#/$defs/teacher"},
            "steps": {
                "type": "array",
                "minItems": 1,
                "items": {"anyOf": [{"enum": alone}, *_one_of(steps)]},
            },
        },
        "$defs": {"teacher": teacher["anyOf"][0]},
    }


def _one_of(things: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "type": "object",
            "properties": {name: schema},
            "required": [name],
            "additionalProperties": False,
        }
        for name, schema in things.items()
    ]


def _values(rows: list[dict[str, Any]], doc: str) -> dict[str, Any]:
    properties = {}
    for row in rows:
        properties[row["name"]] = {**row["schema"], "description": row["text"]}
        if not row["required"]:
            properties[row["name"]]["default"] = row["default"]
    whole: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    required = _required({"parameters": rows})
    forms = [whole]
    if required:
        whole["required"] = required
    else:
        forms.append({"type": "null"})
    if rows and required in ([], [rows[0]["name"]]):
        # `filter.where: "ifd < 1"` is short for its first field; a list or a mapping is not.
        first = rows[0]["schema"]
        if first.get("type") not in ("array", "object"):
            forms.append(first)
    return {"description": doc, "anyOf": forms}


def _required(row: dict[str, Any]) -> list[str]:
    return [each["name"] for each in row["parameters"] if each["required"]]
