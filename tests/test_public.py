"""The public surface: a change of it is a change of this file, with a line in the CHANGELOG."""

import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest

import datakit

SURFACE = [
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


def test_surface():
    assert datakit.__all__ == SURFACE
    assert set(dir(datakit)) == set(SURFACE)


@pytest.mark.parametrize("name", [name for name in SURFACE if name != "__version__"])
def test_every_name_is_there_and_documented(name):
    thing = getattr(datakit, name)
    assert thing.__name__ == name
    assert thing.__doc__
    # A dataclass without a text gets its signature as one.
    assert not thing.__doc__.startswith(f"{name}(")


@pytest.mark.parametrize(
    "name",
    [
        "run",
        "plan",
        "load",
        "apply",
        "dedup",
        "filter",
        "contamination",
        "generate",
        "export_batch",
        "import_batch",
    ],
)
def test_functions_have_types(name):
    signature = inspect.signature(getattr(datakit, name))
    assert signature.return_annotation is not signature.empty
    assert all(each.annotation is not each.empty for each in signature.parameters.values())


def test_version():
    assert datakit.__version__ == version("datakit")


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'datakit' has no attribute 'runn'"):
        _ = datakit.runn


def test_star_import():
    code = "from datakit import *; print(run.__module__, __version__, Record('a').prompt)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["datakit.api", datakit.__version__, "a"]


def test_type_checkers_and_python_see_the_same_names():
    """Names are imported on first use; the list for type checkers must not fall behind."""
    source = inspect.getsource(datakit)
    for name, module in datakit._PUBLIC.items():
        assert f"    from {module} import {name} as {name}\n" in source
    assert set(datakit._PUBLIC) <= set(datakit.__all__)
