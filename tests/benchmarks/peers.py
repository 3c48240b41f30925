"""Peers in virtual environments of their own, so that none changes what another one imports."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["GENERATORS", "PEERS", "python_of"]

GENERATORS = ("distilabel", "curator")
"""Those that generate."""

PEERS = {
    # distilabel imports requests without requiring it.
    "distilabel": ("distilabel[openai]==1.5.3", "requests"),
    "curator": ("bespokelabs-curator==0.1.31",),
    "datasketch": ("datasketch==2.0.0",),
    "rensa": ("rensa==0.5.0",),
    "text-dedup": ("text-dedup==0.4.0",),
    "datatrove": (
        "datatrove[io,processing]==0.10.1",
        "orjson",
    ),
    "semhash": ("semhash==0.5.0",),
}
"""The packages of each peer."""


def python_of(name: str, folder: Path) -> str | None:
    """Returns the Python of a peer's environment, made in a folder if it is not there.

    Args:
        name: One of `PEERS`.
        folder: Where the environments are, each in a folder by its name.

    Returns:
        None, after a line on standard error, if it cannot be installed.
    """
    place = folder.absolute() / name
    python, ready = place / "bin" / "python", place / ".ready"
    if not ready.exists():
        print(f"{name}: is being installed into {place}", file=sys.stderr)
        venv.create(place, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *PEERS[name]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name}: left out: {done.stderr.strip()[-300:]}", file=sys.stderr)
            return None
        ready.touch()
    return str(python)
