"""Benchmarks as items to look for: by name, as files, or from the hub."""

from datakit.benchmark.checking import contaminated
from datakit.benchmark.files import read_items
from datakit.benchmark.named import NAMES, Benchmark, catalogue
from datakit.benchmark.nearest import Nearest, open_nearest, question
from datakit.benchmark.opening import check_against, open_overlap, open_overlap_by

__all__ = [
    "NAMES",
    "Benchmark",
    "Nearest",
    "catalogue",
    "check_against",
    "contaminated",
    "open_nearest",
    "open_overlap",
    "open_overlap_by",
    "question",
    "read_items",
]
