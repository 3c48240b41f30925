"""Trainers: fine-tunes a model on a dataset, and measures what that did.

from trainers import SFT, fit, measure, merge
run = fit(SFT(steps=48), "sql@latest", model="embedded", out="runs/sql", held_out_share=0.1)
measure("runs/sql", ["perplexity:runs/sql/held_out.jsonl"])
merge("runs/sql", "runs/sql-merged")

A method is a frozen dataclass of settings whose call builds TRL's trainer. What TRL, PEFT,
accelerate and bitsandbytes do is not done again here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainers.dpo import DPO as DPO
    from trainers.evaluate.run import measure as measure
    from trainers.kto import KTO as KTO
    from trainers.merging import merge as merge
    from trainers.qlora import QLoRA as QLoRA
    from trainers.reward import Reward as Reward
    from trainers.running.launch import fit as fit
    from trainers.running.run import Run as Run
    from trainers.sft import SFT as SFT

# Each public name, its module and its name there; a module is imported when it is first used.
_PUBLIC = {
    "DPO": ("trainers.dpo", "DPO"),
    "KTO": ("trainers.kto", "KTO"),
    "QLoRA": ("trainers.qlora", "QLoRA"),
    "Reward": ("trainers.reward", "Reward"),
    "Run": ("trainers.running.run", "Run"),
    "SFT": ("trainers.sft", "SFT"),
    "fit": ("trainers.running.launch", "fit"),
    "measure": ("trainers.evaluate.run", "measure"),
    "merge": ("trainers.merging", "merge"),
}

__all__ = ["DPO", "KTO", "SFT", "QLoRA", "Reward", "Run", "fit", "measure", "merge"]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'trainers' has no attribute {name!r}")
    module, own = _PUBLIC[name]
    return getattr(importlib.import_module(module), own)


def __dir__() -> list[str]:
    return __all__
