"""Commands as a user types them, in an empty folder of their own."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass

import pytest

from datakit.cli.main import main

NAMES = ("DATAKIT_STORE", "DATAKIT_DEBUG", "OPENAI_API_KEY", "NO_COLOR", "TERM")


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder, and no setting of the machine's user."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def cli(folder, capsys):
    """Runs a command line in this process."""

    def run(line):
        capsys.readouterr()
        code = main(shlex.split(line))
        told = capsys.readouterr()
        return Ran(code, told.out, told.err)

    return run


@pytest.fixture
def shell(folder):
    """Runs a command line in a process of its own; `input` is its standard input."""

    def run(line, *, input=b"", env=None, before=(), timeout=60, preexec=None):
        whole = {key: text for key, text in os.environ.items() if key not in NAMES} | (env or {})
        done = subprocess.run(
            [*before, sys.executable, "-m", "datakit.cli.main", *shlex.split(line)],
            input=input,
            env=whole,
            capture_output=True,
            timeout=timeout,
            preexec_fn=preexec,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run
