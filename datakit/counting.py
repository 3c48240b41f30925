"""Tokens of a text, by a tokenizer of the user's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from datakit.errors import InputError, MissingExtraError

__all__ = ["open_counter"]


def open_counter(tokenizer: str) -> Callable[[str], int]:
    """Opens a tokenizer; for `resources.open(open_counter, tokenizer)`.

    Args:
        tokenizer: A hub id, a folder with a `tokenizer.json`, or that file.

    Returns:
        The number of tokens of a text, without those that mark its ends.

    Raises:
        MissingExtraError: If `tokenizers` is not installed.
        InputError: If it cannot be opened.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingExtraError.of("tokenizers", "tokens", "filter.length") from None
    path = Path(tokenizer)
    path = path / "tokenizer.json" if path.is_dir() else path
    try:
        if path.is_file():
            opened = Tokenizer.from_file(str(path))
        else:
            opened = Tokenizer.from_pretrained(tokenizer)
    except Exception as error:  # the library raises plain Exception, the hub's client its own
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"the tokenizer {tokenizer!r} cannot be opened: {first}") from None
    # A truncation or a padding that is set in the file would be counted.
    opened.no_truncation()
    opened.no_padding()

    def count(text: str) -> int:
        clean = text.encode("utf-8", "replace").decode()
        return len(opened.encode(clean, add_special_tokens=False).ids)

    return count
