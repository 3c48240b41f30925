"""A teacher as an option of a command names it."""

from __future__ import annotations

import json
import os

from datakit.config.load import load_teacher, parse_teacher
from datakit.llm.teacher import Teacher

__all__ = ["teacher_of"]


def teacher_of(text: str, *, name: str) -> Teacher:
    """Builds the teacher that an option names.

    Args:
        text: `PROVIDER:MODEL`, YAML such as `{provider: openai, model: m}`, or a file with that.
        name: What messages call it, such as `--judge`.

    Raises:
        PipelineError: With every mistake.
    """
    if os.path.exists(text) or text.endswith((".yaml", ".yml")):
        return load_teacher(text)
    provider, colon, model = text.partition(":")
    if text == "embedded" or (colon and provider.isalnum() and model[:1].strip()):
        # JSON is YAML; a model's name may have what YAML would read otherwise.
        fields = {"provider": provider, **({"model": model} if colon else {})}
        return parse_teacher(json.dumps(fields), name=name)
    return parse_teacher(text, name=name)
