"""What a token costs: as the user says, or as the table of `genai-prices` has it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from datakit.llm.budget import Price, dollars

__all__ = ["given", "listed"]

_SIDES = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
}


def given(price: Mapping[Any, str]) -> Price:
    """Returns a price as the user has written it, by side.

    Raises:
        InputError: If an amount is no number of at least 0.
    """
    sides: dict[str, Any] = {side: dollars(text) for side, text in price.items()}
    return Price(**sides)


@functools.cache
def listed(provider: str, model: str, base_url: str | None) -> Price | None:
    """Returns the price of a model in the table of `genai-prices`, as it is today.

    The table comes with the package; nothing is fetched.

    Args:
        provider: `anthropic`, `openai` or `together`.
        model: The model's name there.
        base_url: The server; None is the provider itself.

    Returns:
        None if the package is not installed, or the model is not in its table.
    """
    try:
        from genai_prices.data_snapshot import get_snapshot
    except ImportError:
        return None
    where = {"provider_api_url": base_url} if base_url else {"provider_id": provider}
    full = {"provider_id": None, "provider_api_url": None} | where
    try:
        _, found = get_snapshot().find_provider_model(model, None, **full)
    except LookupError:
        return None
    table = found.get_prices(datetime.now(UTC))
    starts = sorted({each.start for name in _SIDES.values() for each in _tiers(table, name)})
    base = _at(table, 0)
    if not {"input", "output"} <= base.keys():
        return None
    return Price(**base, tiers=tuple((start, Price(**_at(table, start))) for start in starts))


def _tiers(table: Any, name: str) -> Any:  # noqa: ANN401  ModelPrice; its tiers
    return getattr(getattr(table, name, None), "tiers", ())


def _at(table: Any, start: int) -> dict[str, Any]:  # noqa: ANN401  ModelPrice
    """Returns the prices of a request with so many input tokens."""
    found = {}
    for side, name in _SIDES.items():
        price = getattr(table, name, None)
        if price is not None:
            reached = [each.price for each in _tiers(table, name) if each.start <= start]
            found[side] = Decimal(reached[-1] if reached else getattr(price, "base", price))
    return found
