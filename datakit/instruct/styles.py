"""The constants of Self-Instruct and Alpaca, and of a list that a base model goes on with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["INSTANCE", "INSTANCES", "INSTANCE_TOKENS", "STYLES", "Style"]


@dataclass(frozen=True)
class Style:
    """What a style shows and asks for; the constants of the originals."""

    examples: int
    machine_examples: int
    per_request: int
    temperature: float
    top_p: float
    presence_penalty: float | None
    max_tokens: int


STYLES = {
    "original": Style(8, 2, 8, 0.7, 0.5, 2.0, 1024),
    "alpaca": Style(3, 0, 20, 1.0, 1.0, None, 3072),
    "list": Style(5, 2, 1, 0.9, 0.95, None, 200),
}
# Instances of a task that the original asks for: so many at most, and how.
INSTANCES = 5
INSTANCE: dict[str, Any] = {"temperature": 0.0, "presence_penalty": 1.5}
INSTANCE_TOKENS = {True: 300, False: 350}
