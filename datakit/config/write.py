"""From a pipeline's objects to its YAML."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import yaml

from datakit.running.pipeline import Pipeline

__all__ = ["to_yaml"]


def to_yaml(pipeline: Pipeline) -> str:
    """Returns the YAML text that reads back as this pipeline; paths are absolute."""
    whole: dict[str, Any] = {"name": pipeline.name}
    for key in ("seeds", "source"):
        if getattr(pipeline, key) is not None:
            whole[key] = _step(getattr(pipeline, key))
    defaults = {spec.name: spec.default for spec in dataclasses.fields(pipeline)}
    plain = ("random_seed", "target", "max_candidates", "round_size", "draw", "min_novelty")
    for key in (*plain, "include_seeds", "budget", "limit"):
        if getattr(pipeline, key) != defaults[key]:
            whole[key] = getattr(pipeline, key)
    if pipeline.teacher is not None:
        whole["teacher"] = _changed(pipeline.teacher)
    whole["steps"] = [_step(step) for step in pipeline.steps]
    for place, teacher in pipeline.teachers.items():
        next(iter(whole["steps"][place].values()))["teacher"] = _changed(teacher)
    return yaml.dump(whole, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=96)


class _Dumper(yaml.SafeDumper):
    """Escapes line separators, which YAML would fold into a space."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if any(each in text for each in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _step(step: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401
    return {step.step_name: _changed(step)}


def _changed(thing: Any) -> dict[str, Any]:  # noqa: ANN401
    values = {}
    for spec in dataclasses.fields(thing):
        value = getattr(thing, spec.name)
        default = spec.default
        if spec.default_factory is not dataclasses.MISSING:
            default = spec.default_factory()
        # What a step finds by itself is not given.
        if spec.init and value != default:
            values[spec.name] = _builtin(value)
    return values


def _builtin(value: object) -> object:
    return msgspec.to_builtins(value, enc_hook=str, str_keys=True)
