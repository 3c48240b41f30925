"""datakit: grows a dataset from seeds, keeps the books, and shows what is in it.

import datakit as dk
version = dk.run("pipelines/sql_demo.yaml")
version.dropped(step="filter.sql_executes", reason="no_such_column")[:3]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from datakit.step import FilePath, FileRef, Resources, step

if TYPE_CHECKING:
    from datakit.api import diff as diff
    from datakit.api import export as export
    from datakit.api import load as load
    from datakit.api import plan as plan
    from datakit.api import run as run
    from datakit.combining import combine as combine
    from datakit.direct import Result as Result
    from datakit.direct import apply as apply
    from datakit.direct import contamination as contamination
    from datakit.direct import dedup as dedup
    from datakit.direct import filter as filter
    from datakit.errors import BudgetError as BudgetError
    from datakit.errors import DatakitError as DatakitError
    from datakit.errors import InputError as InputError
    from datakit.errors import ProviderError as ProviderError
    from datakit.generating import generate as generate
    from datakit.llm.llm import LLM as LLM
    from datakit.offline import export_batch as export_batch
    from datakit.offline import import_batch as import_batch
    from datakit.outcome import Drop as Drop
    from datakit.outcome import Rejected as Rejected
    from datakit.record import Record as Record
    from datakit.running.pipeline import Pipeline as Pipeline
    from datakit.store import Store as Store
    from datakit.store import Version as Version

__version__ = "0.1.0"

# Each public name and its module; a module is imported when one of its names is first used.
_PUBLIC = {
    "BudgetError": "datakit.errors",
    "DatakitError": "datakit.errors",
    "Drop": "datakit.outcome",
    "InputError": "datakit.errors",
    "LLM": "datakit.llm.llm",
    "Pipeline": "datakit.running.pipeline",
    "ProviderError": "datakit.errors",
    "Record": "datakit.record",
    "Rejected": "datakit.outcome",
    "Result": "datakit.direct",
    "Store": "datakit.store",
    "Version": "datakit.store",
    "apply": "datakit.direct",
    "contamination": "datakit.direct",
    "dedup": "datakit.direct",
    "export_batch": "datakit.offline",
    "filter": "datakit.direct",
    "generate": "datakit.generating",
    "import_batch": "datakit.offline",
    "combine": "datakit.combining",
    "diff": "datakit.api",
    "export": "datakit.api",
    "load": "datakit.api",
    "plan": "datakit.api",
    "run": "datakit.api",
}

__all__ = [
    "LLM",
    "BudgetError",
    "DatakitError",
    "Drop",
    "FilePath",
    "FileRef",
    "InputError",
    "Pipeline",
    "ProviderError",
    "Record",
    "Rejected",
    "Resources",
    "Result",
    "Store",
    "Version",
    "__version__",
    "apply",
    "combine",
    "contamination",
    "dedup",
    "diff",
    "export",
    "export_batch",
    "filter",
    "generate",
    "import_batch",
    "load",
    "plan",
    "run",
    "step",
]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'datakit' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
