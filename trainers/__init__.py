"""Trainers: fine-tunes a model on a dataset, and measures what that did.

from trainers import SFT, fit, measure, merge
run = fit(SFT(steps=48), "sql@latest", model="embedded", out="runs/sql", held_out_share=0.1)
measure("runs/sql", ["perplexity:runs/sql/held_out.jsonl"])
merge("runs/sql", "runs/sql-merged")

`fit` gives a `Run`, `measure` an `Evaluation` of `Interval`s, `merge` a `Merged`; `TaskOptions` are
what all tasks of an evaluation take, `Settings` what all methods have.

A method is a frozen dataclass of settings whose call builds TRL's trainer. What TRL, PEFT,
accelerate and bitsandbytes do is not done again here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainers.dpo import DPO as DPO
    from trainers.evaluate import TaskOptions as TaskOptions
    from trainers.evaluate.evaluation import Evaluation as Evaluation
    from trainers.evaluate.run import measure as measure
    from trainers.kto import KTO as KTO
    from trainers.merging import Merged as Merged
    from trainers.merging import merge as merge
    from trainers.qlora import QLoRA as QLoRA
    from trainers.reward import Reward as Reward
    from trainers.running.launch import fit as fit
    from trainers.running.run import Run as Run
    from trainers.settings import Settings as Settings
    from trainers.sft import SFT as SFT
    from trainers.stats import Interval as Interval

# Each public name, its module and its name there; a module is imported when it is first used.
_PUBLIC = {
    "DPO": ("trainers.dpo", "DPO"),
    "Evaluation": ("trainers.evaluate.evaluation", "Evaluation"),
    "Interval": ("trainers.stats", "Interval"),
    "KTO": ("trainers.kto", "KTO"),
    "Merged": ("trainers.merging", "Merged"),
    "QLoRA": ("trainers.qlora", "QLoRA"),
    "Reward": ("trainers.reward", "Reward"),
    "Run": ("trainers.running.run", "Run"),
    "SFT": ("trainers.sft", "SFT"),
    "Settings": ("trainers.settings", "Settings"),
    "TaskOptions": ("trainers.evaluate", "TaskOptions"),
    "fit": ("trainers.running.launch", "fit"),
    "measure": ("trainers.evaluate.run", "measure"),
    "merge": ("trainers.merging", "merge"),
}

__all__ = [
    "DPO",
    "KTO",
    "SFT",
    "Evaluation",
    "Interval",
    "Merged",
    "QLoRA",
    "Reward",
    "Run",
    "Settings",
    "TaskOptions",
    "fit",
    "measure",
    "merge",
]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'trainers' has no attribute {name!r}")
    module, own = _PUBLIC[name]
    return getattr(importlib.import_module(module), own)


def __dir__() -> list[str]:
    return __all__
