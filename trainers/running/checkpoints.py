"""Checkpoints of a run that may have been killed, and libraries kept quiet."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["last_checkpoint", "quiet"]

# Their warnings are for who writes a program with them.
_LIBRARIES = r"(transformers|trl|peft|accelerate|torch|bitsandbytes|datasets)(\.|$)"


def last_checkpoint(folder: Path) -> Path | None:
    """Returns the newest whole checkpoint; half of one, of a killed run, is removed."""
    if not folder.is_dir():
        return None
    found = [each for each in folder.iterdir() if each.name.startswith("checkpoint-")]
    for each in sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True):
        if _whole(each):
            return each
        shutil.rmtree(each, ignore_errors=True)
    return None


def _whole(folder: Path) -> bool:
    import json

    try:
        json.loads((folder / "trainer_state.json").read_bytes())
    except (OSError, ValueError):
        return False
    names = ("optimizer.pt", "scheduler.pt")
    return all((folder / name).is_file() for name in names) and any(folder.glob("rng_state*.pth"))


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps bars, notes and warnings of the libraries away; what matters is said by us."""
    import logging
    import warnings

    import datasets
    import transformers

    level = transformers.logging.get_verbosity()
    loggers = [logging.getLogger(name) for name in ("trl", "accelerate", "peft", "bitsandbytes")]
    levels = [each.level for each in loggers]
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for kind in (FutureWarning, UserWarning):
                warnings.filterwarnings("ignore", category=kind, module=_LIBRARIES)
            yield
    finally:
        transformers.logging.set_verbosity(level)
        transformers.utils.logging.enable_progress_bar()
        datasets.enable_progress_bars()
        for each, own in zip(loggers, levels, strict=True):
            each.setLevel(own)
