"""Python that nobody has read, run in a jail: bubblewrap, without network, files or time.

Every program has a jail of its own: namespaces for network, processes, users and IPC; a root that
has the interpreter and the system's libraries, read-only; an empty /tmp in memory; no environment.
Memory, processor time, file sizes and processes are limited. See https://github.com/containers/bubblewrap
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Jail", "Ran", "jail_missing", "open_jail"]

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache")
_MACHINES = ("x86_64", "aarch64")
_MOST_OUTPUT = 4_000
_SPARE_SECONDS = 10
_INSIDE = Path(__file__).with_name("inside.py")
_OUT_OF_TIME = (9, 24)


@dataclass(frozen=True)
class Ran:
    """How a program ended.

    Args:
        reason: Empty if it came to its end; else `timeout`, `memory`, `exited`, `crashed`, or
            `raised`.
        part: The part in which it ended, if that is known.
        message: The exception, or what else is known.
    """

    reason: str = ""
    part: str = ""
    message: str = ""


def jail_missing() -> str:
    """Returns why there can be no jail here, or an empty text."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return f"it is made for Linux on {' and '.join(_MACHINES)}"
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed: apt install bubblewrap"
    return ""


class Jail:
    """Runs programs, each in a jail of its own.

    Args:
        seconds: Processor time of a program.
        memory_mb: Mebibytes of address space.
    """

    def __init__(self, seconds: int = 5, memory_mb: int = 512) -> None:
        self._seconds, self._memory = seconds, memory_mb << 20
        self._command = [
            *_bars(),
            os.path.realpath(sys.executable),
            "-I",
            "-S",
            "-c",
            _INSIDE.read_text(),
        ]

    def run(self, parts: list[tuple[str, str]]) -> Ran:
        """Runs pieces of a program one after the other, in one namespace.

        Args:
            parts: Name and text of each.

        Raises:
            RuntimeError: If bubblewrap itself fails.
        """
        asked = {"parts": parts, "seconds": self._seconds, "memory": self._memory}
        try:
            done = subprocess.run(
                self._command,
                input=json.dumps(asked).encode("utf-8"),
                capture_output=True,
                timeout=self._seconds + _SPARE_SECONDS,
                check=False,
                env={"PATH": "/usr/bin:/bin"},
            )
        except subprocess.TimeoutExpired:
            # It slept: bwrap's death ends all that is in the jail.
            return Ran("timeout", message=f"no end after {self._seconds + _SPARE_SECONDS} s")
        if done.returncode > 128:
            return Ran("crashed", message="it ended the process that watches it")
        if done.returncode:
            text = done.stderr.decode("utf-8", "replace").strip()[:_MOST_OUTPUT]
            raise RuntimeError(f"bubblewrap cannot make a jail here: {text}")
        ended = json.loads(done.stdout)
        return _read(ended["said"], ended["signal"], self._seconds)


def open_jail(seconds: int, memory_mb: int) -> Jail:
    """Opens a jail; for `resources.open(open_jail, seconds, memory_mb)`."""
    return Jail(seconds, memory_mb)


def _bars() -> list[str]:
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    command += ["--uid", "65534", "--gid", "65534", "--hostname", "jail"]
    # The interpreter's own folder may lie in somebody's home: nothing else of that is shown.
    for path in dict.fromkeys((*_SYSTEM, sys.base_prefix, str(Path(sys.executable).resolve()))):
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            command += ["--ro-bind", path, path]
    command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp"]
    return command


def _read(said: str, signal: int, seconds: int) -> Ran:
    if signal in _OUT_OF_TIME:
        return Ran("timeout", message=f"over {seconds} s of processor time")
    if said == "ended" and not signal:
        return Ran()
    told, _, message = said.partition(": ")
    kind, _, part = told.partition(" in ")
    if kind in ("exited", "memory"):
        return Ran(kind, part, message)
    if said and not signal:
        return Ran("raised", part, f"{kind}: {message}" if message else kind)
    return Ran("crashed", message=f"signal {signal}" if signal else "it left before its end")
