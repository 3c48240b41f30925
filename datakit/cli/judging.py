"""How a judge is named and asked, as options of a command."""

from __future__ import annotations

import argparse
from decimal import Decimal

from datakit.cli.flags import positive
from datakit.errors import InputError
from datakit.llm.budget import dollars

__all__ = ["add_asking", "usd"]

_JUDGE = "the judge: PROVIDER:MODEL, '{provider: openai, model: m, base_url: ...}', or a YAML file"


def add_asking(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup,
    name: str,
    *,
    required: bool = False,
    prefix: str = "",
) -> None:
    """Adds who judges, how, and what it may cost.

    Args:
        parser: Is added to.
        name: Of the option for the judge.
        required: Whether it must be given.
        prefix: Of the options that say how it is asked.
    """
    parser.add_argument(
        name, dest="judge", required=required, metavar="PROVIDER:MODEL", help=_JUDGE
    )
    parser.add_argument("--budget", type=usd, metavar="USD", help="a hard cap in US dollars")
    parser.add_argument(
        f"--{prefix}temperature",
        dest="temperature",
        type=_temperature,
        default=0.0,
        metavar="T",
        help="0 to 2, or none where the judge's model allows none (0)",
    )
    parser.add_argument(
        f"--{prefix}max-tokens",
        dest="max_tokens",
        type=positive,
        default=1024,
        metavar="N",
        help="of a verdict (1024)",
    )
    parser.add_argument(
        f"--{prefix}no-json-schema",
        dest="no_json_schema",
        action="store_true",
        help="send no JSON Schema to the judge; a server may lack it",
    )


def usd(text: str) -> Decimal:
    """Reads US dollars."""
    try:
        return dollars(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _temperature(text: str) -> float | None:
    if text == "none":
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number from 0 to 2, nor none.')
    return value
