"""A tool run by the Python of its own environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["took"]


def took(python: str, script: Path, tool: str, path: Path) -> dict[str, Any]:
    """Returns what a tool took and dropped, as the last line that its script prints.

    Args:
        python: The environment's.
        script: Runs a tool over a file.
        tool: Which one.
        path: The file.

    Raises:
        RuntimeError: With its last words, if it failed.
    """
    own = dict(os.environ)
    if python != sys.executable:
        # What this tree is must not be what a peer imports.
        own = {key: value for key, value in own.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, str(script), tool, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tempfile.gettempdir(),
        env=own,
    )
    if done.returncode:
        raise RuntimeError(f"{tool}: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
