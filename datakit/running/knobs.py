"""What a step asks of a teacher that this teacher cannot heed: known before anything is sent."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from datakit.llm.request import Request

__all__ = ["unheeded"]

# Several answers are asked for one by one where they cannot be had at once, and a seed is a wish.
_FREE = {"n", "seed"}


def unheeded(
    step: Any,  # noqa: ANN401
    requests: Sequence[Request],
    provider: str,
    knobs: frozenset[str],
) -> tuple[list[str], list[str]]:
    """Returns what the requests of a step have set that their provider has no knob for.

    What is set as it is by default is not sent, and said; what the user has set is a mistake.

    Args:
        step: The step that makes records.
        requests: Some of what it asks.
        provider: The name of the provider.
        knobs: Fields of a request that it heeds.

    Returns:
        Mistakes, as `key: what is wrong`; and the names of what is not sent.
    """
    if any(each.prompt is not None for each in requests) and "prompt" not in knobs:
        return [f"style: {provider} answers chats alone, and this one continues a text"], []
    found = {name for each in requests for name in each.payload()} - knobs - _FREE
    wrong = [name for name in sorted(found) if _is_own(step, name)]
    what = f"{provider} has no such setting; leave it out, or write null"
    return [f"{name}: {what}" for name in wrong], sorted(found - {*wrong})


def _is_own(step: object, name: str) -> bool:
    """Returns whether a step has a field of that name with another value than its default."""
    for spec in dataclasses.fields(step):  # type: ignore[arg-type]
        if spec.name == name:
            return bool(getattr(step, name) != spec.default)
    return False
