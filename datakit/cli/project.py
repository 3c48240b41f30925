"""init and doctor."""

from __future__ import annotations

import argparse
import base64
import importlib.util
import os
import platform
import re
import shutil
import sqlite3
import subprocess
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import HTTPRedirectHandler, Request, build_opener

from datakit import registry
from datakit.cli.console import Console, command, one_line
from datakit.config import load_pipeline
from datakit.errors import InputError
from datakit.llm.embedded import default_gguf
from datakit.running.pipeline import NAME, Pipeline
from datakit.store import Store

__all__ = ["doctor", "init"]

_FILES = {
    "seeds.jsonl": "seeds.jsonl",
    "pipeline.yaml": "pipeline.yaml",
    ".env.example": "env.example",
}
# A server that is up lists its models at once.
_SECONDS = 3.0
_LOGIN = re.compile(r"\A(\w+://)([^/]*)@")
_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "TOGETHER_API_KEY", "HF_TOKEN")


def _init_args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", help="the folder; made if it is not there")
    parser.add_argument("--domain", default="Customer service", help="what the dataset is about")


@command(_init_args)
def init(args: argparse.Namespace, console: Console) -> int:
    """Scaffold a folder: a seeds file with five worked examples, a pipeline, .env.example."""
    folder = Path(args.dir)
    name = re.sub(r"[^a-z0-9_.-]+", "_", folder.resolve().name.lower()).strip("_.-")
    if not NAME.match(name):
        raise InputError(f"{args.dir}: give the folder a name with letters or digits.")
    there = [each for each in _FILES if (folder / each).exists()]
    if there:
        raise InputError(f"{folder / there[0]}: is there already; nothing was written.")
    words = {"@NAME@": name, "@DIR@": str(folder), "@DOMAIN@": " ".join(args.domain.split())}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for target, source in _FILES.items():
            text = (files("datakit.cli") / "templates" / source).read_text(encoding="utf-8")
            for mark, word in words.items():
                text = text.replace(mark, word)
            (folder / target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}.") from None
    console.document({"folder": str(folder), "files": list(_FILES)})
    for each in _FILES:
        console.result(str(folder / each))
    console.result()
    console.result(f"next   datakit seeds check {folder / 'seeds.jsonl'}")
    console.result(f"       datakit run {folder / 'pipeline.yaml'}")
    return 0


def _doctor_args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pipeline", nargs="?", help="a pipeline file: are its servers reachable (OPENAI_BASE_URL)"
    )


@command(_doctor_args)
def doctor(args: argparse.Namespace, console: Console) -> int:
    """Say what is installed, which keys are set (never their values), what can be reached."""
    asked = load_pipeline(args.pipeline) if args.pipeline else None
    found = {
        "versions": _versions(),
        "extras": _extras(),
        "keys": {key: bool(os.environ.get(key)) for key in _KEYS},
        "servers": {_told_url(url): _state(url, env) for url, env in _servers(asked)},
        "gpu": _gpu(),
        "embedded_model": _embedded(),
        "store": _store(Store(args.store)),
        "steps": len(registry.names()),
        "plugin_problems": registry.plugin_problems(),
    }
    console.document(found)
    _tell(found, console)
    return 0


def _servers(pipeline: Pipeline | None) -> list[tuple[str, str]]:
    """Returns the address and the key's variable of each server that would be asked."""
    default = os.environ.get("OPENAI_BASE_URL")
    found = {(default, "OPENAI_API_KEY"): None} if default else {}
    for teacher in map(pipeline.teacher_of, pipeline.askers) if pipeline else ():
        if teacher.provider == "openai":
            url = teacher.base_url or default or "https://api.openai.com/v1"
            found[url, teacher.api_key_env or "OPENAI_API_KEY"] = None
    return list(found)


def _told_url(url: str) -> str:
    """Returns an address without a password in it."""
    return _LOGIN.sub(r"\1", url.partition("?")[0])


class _Stay(HTTPRedirectHandler):
    """Follows no redirect: the key is for the server that was named, and for no other."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401
        return None


def _state(url: str, key_env: str) -> str:
    """Asks a server for its models, and says whether it answers; never what was sent.

    Args:
        url: The base address, `https://host/v1`.
        key_env: The environment variable that holds its key.
    """
    if not url.startswith(("http://", "https://")):
        return "not reachable: the address does not begin with http:// or https://"
    key, login = os.environ.get(key_env), _LOGIN.match(url)
    try:
        request = Request(f"{_told_url(url).rstrip('/')}/models")
        if login:
            code = base64.b64encode(unquote(login[2]).encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {code}")
        elif key:
            request.add_unredirected_header("Authorization", f"Bearer {key}")
        with build_opener(_Stay).open(request, timeout=_SECONDS):
            return "reachable"
    except HTTPError as error:
        if error.code in (401, 403):
            return f"unauthorised ({key_env} is {'refused' if key else 'not set'})"
        return f"reachable (HTTP {error.code})"
    except (OSError, ValueError, HTTPException) as error:
        # The text of some of these quotes the header, and with it the key.
        reason = getattr(error, "reason", None)
        why = reason if isinstance(reason, OSError) else error
        return f"not reachable: {getattr(why, 'strerror', None) or type(why).__name__}"


def _versions() -> dict[str, str]:
    told = {"python": platform.python_version(), "platform": platform.platform(terse=True)}
    return {"datakit": version("datakit"), **told, "sqlite": sqlite3.sqlite_version}


def _extras() -> dict[str, dict[str, str | None]]:
    extras: dict[str, dict[str, str | None]] = {}
    for line in requires("datakit") or []:
        match = re.match(
            r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?[^;]*;.*extra == ['\"]([a-z]+)['\"]", line
        )
        if match and match[2] not in ("all", "dev"):
            extras.setdefault(match[2], {})[match[1]] = _installed(match[1])
    return extras


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _gpu() -> str:
    if shutil.which("nvidia-smi") is None:
        return "none found (nvidia-smi is not installed)"
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nvidia-smi does not answer: {type(error).__name__}"
    return told.stdout.strip() or "none found"


def _embedded() -> str:
    if importlib.util.find_spec("xllamacpp") is None:
        return "no: pip install 'datakit[embedded]'"
    try:
        return default_gguf().name
    except InputError as error:
        return str(error)


def _store(store: Store) -> dict[str, Any]:
    folder = store.root
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    writable = os.access(folder, os.W_OK)
    return {
        "root": str(store.root),
        "datasets": store.names(),
        "writable": writable,
        "free_gib": round(free, 1),
    }


def _tell(found: dict[str, Any], console: Console) -> None:
    for name, text in found["versions"].items():
        console.result(f"{name:<16}{text}")
    for extra, packages in found["extras"].items():
        missing = [package for package, number in packages.items() if number is None]
        have = ", ".join(f"{package} {number}" for package, number in packages.items() if number)
        text = f"missing {', '.join(missing)}: pip install 'datakit[{extra}]'" if missing else have
        console.result(f"[{extra}]".ljust(16) + text)
    for key, is_set in found["keys"].items():
        console.result(f"{key:<20}{'set' if is_set else 'not set'}")
    for url, state in found["servers"].items():
        console.result(one_line(f"{'server':<16}{url} {state}"))
    console.result(f"{'gpu':<16}{found['gpu']}")
    console.result(f"{'embedded model':<16}{found['embedded_model']}")
    store = found["store"]
    state = "writable" if store["writable"] else "cannot be written"
    console.result(
        f"{'store':<16}{store['root']} ({state}, {store['free_gib']} GiB free, "
        f"{len(store['datasets'])} datasets)"
    )
    console.result(f"{'steps':<16}{found['steps']}")
    for problem in found["plugin_problems"]:
        console.result(one_line(f"{'not loaded':<16}{problem}"))
