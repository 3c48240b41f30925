"""The child process: gives up what it can, then answers requests line by line.

Started by its path with `python -I -S`, so that only the standard library and its own siblings
are loaded. One JSON object a line comes in on stdin, one goes out on stdout.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import signal
import sqlite3
import sys
import types
from typing import Any, Protocol

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
MAX_REQUESTS = 5_000
OPEN_FILES = 3
# The first with generated columns and a hard limit on the heap.
OLDEST_SQLITE = (3, 31)


class Server(Protocol):
    """What answers requests."""

    def serve(self, request: dict[str, Any]) -> dict[str, object]:
        """Answer one request; `spent` says that memory ran short."""


def main() -> None:
    """Confine this process, say so, and serve until stdin ends."""
    settings = json.loads(sys.argv[1])
    _stub_packages()
    try:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise OSError(f"SQLite {sqlite3.sqlite_version} is too old, 3.31 is needed")
        server = _open_server(settings)
        _confine(settings["memory_mb"] * 1024 * 1024, settings["parent"])
    except (OSError, ValueError, MemoryError, sqlite3.Error) as error:
        _reply({"ready": False, "message": f"{type(error).__name__}: {error}"})
        return
    _reply({"ready": True})
    for served, line in enumerate(sys.stdin.buffer, 1):
        _limit_processor(settings["seconds"])
        try:
            request = json.loads(line.decode("utf-8", "surrogatepass"))
            answer = server.serve(request)
        except MemoryError:
            answer = {"reason": "timeout", "message": "out of memory", "rows": 0, "spent": True}
        # Replaced now and then, and when memory was short: under a fixed limit, memory left
        # scattered would change later verdicts.
        last = bool(answer["spent"]) or served >= MAX_REQUESTS
        _reply(answer | {"last": last})
        if last:
            return


def _open_server(settings: dict[str, Any]) -> Server:
    # All that is imported is imported here: once confined, the process opens no file.
    if settings.get("serve") == "trial":
        from datakit.sqlite.trial import Trial

        return Trial(settings["steps"], settings["total"], settings["max_rows"])
    from datakit.sqlite.judge import Judge

    return Judge(settings["steps"], settings["max_rows"], settings["variants"])


def _stub_packages() -> None:
    # The packages' own __init__ files would load far more than this process needs.
    here = os.path.dirname(os.path.abspath(__file__))
    for name, folder in (("datakit", os.path.dirname(here)), ("datakit.sqlite", here)):
        stub = types.ModuleType(name)
        stub.__path__ = [folder]
        sys.modules[name] = stub


def _reply(answer: dict[str, object]) -> None:
    # ASCII, because a message may quote a lone surrogate.
    sys.stdout.buffer.write(json.dumps(answer).encode("ascii") + b"\n")
    sys.stdout.buffer.flush()


def _confine(memory: int, parent: int) -> None:
    """Give up files, processes, memory beyond `memory` bytes, and life without the parent."""
    os.chdir("/")
    os.environ.clear()
    # SQLite's own limit comes first and ends in an error; the system's ends in whatever it may.
    sqlite3.connect(":memory:").execute(f"PRAGMA hard_heap_limit={memory // 2}").close()
    _bind_to_parent(parent)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    # macOS refuses these two; the heap limit and the parent's clock remain.
    with contextlib.suppress(OSError, ValueError):
        _lower(resource.RLIMIT_NPROC, 0)
    try:
        _lower(resource.RLIMIT_AS, memory)
    except (OSError, ValueError):
        if sys.platform == "linux":
            raise


def _lower(kind: int, limit: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(kind, (limit, limit))


def _limit_processor(seconds: float) -> None:
    # Only the soft limit moves, a request at a time: it ends a worker whose parent is stopped.
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or limit <= hard:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _bind_to_parent(parent: int) -> None:
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return  # Not Linux: the end of stdin is what ends the worker.
    prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        raise OSError("the parent died before the worker was bound to it")


if __name__ == "__main__":
    main()
