"""Asks the same server through each client in turn, and prints a table in Markdown.

    python -m tests.benchmarks.throughput --venvs build/peers

Peers are installed there, each into an environment of its own; one that cannot be is left out, as
all are without the folder. CPU time of a request is what a longer run takes
more than a shorter one, over the requests that it has more: no start is in it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.peers import GENERATORS, python_of

_HERE = Path(__file__).parent


@contextmanager
def served(seconds: float) -> Iterator[str]:
    """Yields the address of a server that answers after so many seconds."""
    command = [sys.executable, str(_HERE / "server.py"), str(seconds)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
    finally:
        server.kill()
        server.wait()


def took(python: str, client: str, url: str, count: int, lanes: int) -> dict[str, float]:
    """Returns what a client took.

    Raises:
        RuntimeError: With its last words, if it failed or did not get every answer.
    """
    command = [python, str(_HERE / "clients.py"), client, url, str(count), str(lanes)]
    # What this tree is must not be what a peer imports.
    own = dict(os.environ) if python == sys.executable else _without("PYTHONPATH")
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tempfile.gettempdir(), env=own
    )
    if done.returncode:
        raise RuntimeError(f"{client}: {done.stderr[-500:]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    if found["answers"] != count:
        raise RuntimeError(f"{client}: {found['answers']} answers to {count} instructions")
    return found


def _without(name: str) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != name}


def rows(pythons: dict[str, str], count: int, lanes: int, url: str) -> Iterator[str]:
    """Yields the lines of a table, one for each client."""
    first = {}
    for client, python in pythons.items():
        short, long = (took(python, client, url, each, lanes) for each in (count // 10, count))
        more = count - count // 10
        cpu = (long["cpu"] - short["cpu"]) / more
        wall = more / (long["seconds"] - short["seconds"])
        first.setdefault("cpu", cpu)
        yield (
            f"| {client} | {1000 * cpu:.2f} ms | {1 / cpu:,.0f} | {wall:,.0f} "
            f"| {first['cpu'] / cpu:.2f} | {long['mib']:,.0f} MiB |"
        )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", type=Path, help="a folder for the peers' environments")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--lanes", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds of an answer")
    given = parser.parse_args()
    pythons = {"datakit": sys.executable, "raw": sys.executable}
    for name in GENERATORS if given.venvs else ():
        if python := python_of(name, given.venvs):
            pythons[name] = python
    print(
        f"{given.count:,} requests, {given.lanes} at a time, {1000 * given.latency:.0f} ms each\n\n"
        "| client | CPU of a request | a second and core | a second by the clock "
        "| datakit's CPU by its own | peak memory |\n| --- | --- | --- | --- | --- | --- |"
    )
    with served(given.latency) as url:
        for row in rows(pythons, given.count, given.lanes, url):
            print(row, flush=True)


if __name__ == "__main__":
    main()
