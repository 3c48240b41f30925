"""Checkpoints of a run that may have been killed, and libraries kept quiet."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

__all__ = ["last_checkpoint", "quiet"]


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


class quiet(AbstractContextManager[None]):
    """Keeps bars and notes of the libraries away; what matters is said by us."""

    def __enter__(self) -> None:
        import logging

        import transformers

        import datasets

        self._level = transformers.logging.get_verbosity()
        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        datasets.disable_progress_bars()
        names = ("trl", "accelerate", "peft", "bitsandbytes")
        self._loggers = [logging.getLogger(name) for name in names]
        self._levels = [each.level for each in self._loggers]
        for each in self._loggers:
            each.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        import transformers

        import datasets

        transformers.logging.set_verbosity(self._level)
        transformers.utils.logging.enable_progress_bar()
        datasets.enable_progress_bars()
        for each, level in zip(self._loggers, self._levels, strict=True):
            each.setLevel(level)
