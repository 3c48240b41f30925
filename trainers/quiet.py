"""Libraries kept quiet while they work; what matters is said by us."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from trainers.models import need

__all__ = ["quiet"]

# Their warnings are for who writes a program with them.
_LIBRARIES = (
    r"(transformers|trl|peft|accelerate|torch|bitsandbytes|datasets|huggingface_hub|"
    r"safetensors)(\.|$)"
)


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps bars, notes and warnings of the libraries away, and TRL's telemetry off.

    Raises:
        MissingExtraError: If the extra `train` is not installed.
    """
    import logging
    import warnings

    # TRL tells its makers of every trainer that is built, unless this is set.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    datasets = need("datasets", "train", "Training")
    transformers = need("transformers", "train", "Training")
    level, bars = transformers.logging.get_verbosity(), _bars(transformers, datasets)
    loggers = [logging.getLogger(name) for name in ("trl", "accelerate", "peft", "bitsandbytes")]
    levels = [each.level for each in loggers]
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # They are put down to whoever called, which may be us.
            warnings.simplefilter("ignore", FutureWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module=_LIBRARIES)
            yield
    finally:
        transformers.logging.set_verbosity(level)
        if bars[0]:
            transformers.utils.logging.enable_progress_bar()
        if bars[1]:
            datasets.enable_progress_bars()
        for each, own in zip(loggers, levels, strict=True):
            each.setLevel(own)


def _bars(transformers: object, datasets: object) -> tuple[bool, bool]:
    """Returns whether the bars of either are on."""
    shown = transformers.utils.logging.is_progress_bar_enabled()  # type: ignore[attr-defined]
    hidden = datasets.utils.are_progress_bars_disabled()  # type: ignore[attr-defined]
    return bool(shown), not hidden
