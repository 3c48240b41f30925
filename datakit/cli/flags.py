"""Values of flags that several commands have."""

from __future__ import annotations

import argparse

from datakit.errors import InputError
from datakit.llm.budget import dollars
from datakit.running.pipeline import NAME

__all__ = ["name", "positive", "usd"]


def positive(text: str) -> int:
    """Reads a whole number of at least 1."""
    if not text.isascii() or not text.isdigit() or len(text) > 15 or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number of at least 1.')
    return int(text)


def usd(text: str) -> str:
    """Reads an amount in US dollars."""
    try:
        dollars(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def name(text: str) -> str:
    """Reads the name of a dataset."""
    if not NAME.match(text):
        raise argparse.ArgumentTypeError(f'"{text}" must be lower-case letters, digits, _ . -')
    return text
