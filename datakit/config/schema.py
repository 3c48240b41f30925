"""The JSON Schema of a pipeline, built from the registered steps."""

from __future__ import annotations

from typing import Any

import msgspec

from datakit import registry
from datakit.config.load import KEYS
from datakit.llm.teacher import Teacher
from datakit.step import describe, parameters

__all__ = ["pipeline_schema"]


def pipeline_schema() -> dict[str, Any]:
    """Returns the JSON Schema (2020-12) that editors use to complete and check a pipeline."""
    rows = [describe(registry.find(name)) for name in registry.names()]
    steps = {row["name"]: _values(row["parameters"], row["doc"]) for row in rows}
    sources = {row["name"]: steps.pop(row["name"]) for row in rows if row["verb"] == "read"}
    teacher = _values(parameters(Teacher), "Which model answers, and how it is reached.")
    for row in rows:
        if row["verb"] == "make":
            steps[row["name"]]["anyOf"][0]["properties"]["teacher"] = {"$ref": "#/$defs/teacher"}
    plain = {key: msgspec.json.schema(hint) for key, hint in KEYS.items()}
    source = {"anyOf": [{"type": "string"}, *_one_of(sources)]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "datakit pipeline",
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "steps"],
        "properties": {
            **plain,
            "budget": {"type": ["string", "number"]},
            "seeds": source,
            "source": source,
            "teacher": {"$ref": "#/$defs/teacher"},
            "steps": {
                "type": "array",
                "minItems": 1,
                "items": {"anyOf": [{"enum": sorted(steps)}, *_one_of(steps)]},
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
    required = [row["name"] for row in rows if row["required"]]
    if required:
        whole["required"] = required
    forms = [whole, {"type": "null"}]
    if rows:
        forms.append({"type": ["string", "number", "boolean"]})
    return {"description": doc, "anyOf": forms}
