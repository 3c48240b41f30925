"""Which model is meant by a name: embedded, a folder, an adapter, GGUF, a hub id, or a server."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datakit.errors import InputError, did_you_mean
from trainers.gguf import checkpoint_of

__all__ = ["RUN_FILE", "ModelRef", "read_json", "recorded_base", "resolve"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?\Z")
RUN_FILE = "run.json"
_UNFINISHED = ("running", "failed")


@dataclass(frozen=True)
class ModelRef:
    """A model that was named.

    Args:
        given: What the user wrote.
        kind: `embedded`, `folder`, `adapter`, `gguf`, `hub` or `served`.
        path: The folder or hub id of the (base) model; the URL of a served one.
        adapter: The folder of a PEFT adapter that goes on top.
        revision: The revision of a hub id, as in `owner/name@revision`.
        name: The model's name at its server.
    """

    given: str
    kind: str
    path: str
    adapter: str | None = None
    revision: str | None = None
    name: str | None = None

    @property
    def base(self) -> ModelRef:
        """The same model without its adapter."""
        if self.adapter is None:
            return self
        return _base_of(Path(self.adapter))

    @property
    def on_hub(self) -> bool:
        """Whether the (base) model is fetched from the hub, or from its cache."""
        return self.kind == "hub" or (self.kind == "adapter" and not Path(self.path).exists())


def resolve(text: str) -> ModelRef:
    """Finds out what a model's name means.

    Args:
        text: `embedded`; a folder with a checkpoint or an adapter; a .gguf file; a hub id, also
            `owner/name@revision`; or the URL of an OpenAI-compatible server, with the model's name
            after `#` where it serves several.

    Raises:
        InputError: If there is no such thing, or if the folder holds no whole model.
    """
    if not text:
        raise InputError("the model's name is empty.")
    if text == "embedded":
        from datakit.llm.embedded import default_gguf

        return ModelRef(text, "embedded", str(checkpoint_of(default_gguf())))
    if text.lower().startswith(("http://", "https://")):
        return _served(text)
    path = Path(text)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise InputError(f"{text}: there is no such model file.")
        return ModelRef(text, "gguf", str(checkpoint_of(path)))
    if path.is_dir():
        return _folder(text, path)
    if _HUB_ID.match(text) and not text.startswith((".", "/")) and not path.parent.is_dir():
        name, _, revision = text.partition("@")
        return ModelRef(text, "hub", name, revision=revision or None)
    meant = did_you_mean(text, ["embedded"])
    raise InputError(
        f"{text}: there is no such model{meant or '.'} A model is `embedded`, a folder, a .gguf "
        "file, a hub id (owner/name), or the URL of an OpenAI-compatible server."
    )


def _served(text: str) -> ModelRef:
    """Reads a server's URL; what is refused here may hold a key, so it is not shown."""
    url, _, name = text.partition("#")
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise InputError(
            "a model's URL must hold no user or password: it stands in files and on pages. "
            "Put the key into the environment: OPENAI_API_KEY."
        )
    if "?" in url:
        raise InputError(
            f"{url.partition('?')[0]}{'#' if name else ''}{name}: leave out what stands after the "
            "?; requests cannot have it. A key belongs into the environment: OPENAI_API_KEY."
        )
    return ModelRef(text, "served", url, name=name or None)


def _folder(text: str, path: Path) -> ModelRef:
    if (path / RUN_FILE).is_file() and read_json(path / RUN_FILE).get("status") in _UNFINISHED:
        raise InputError(
            f"{text}: its training is not finished; the same `datakit train` command with --resume "
            "goes on."
        )
    if (path / "adapter_config.json").is_file():
        base = _base_of(path)
        if base.adapter is not None:
            raise InputError(
                f"{text}: its base, {base.given}, is an adapter too; merge that first."
            )
        return replace(base, given=text, kind="adapter", adapter=str(path))
    if (path / "config.json").is_file():
        return ModelRef(text, "folder", str(path))
    raise InputError(
        f"{text}: is no model: it has neither config.json nor adapter_config.json. "
        "Name the folder that `datakit train -o` wrote, or a checkpoint."
    )


def _base_of(folder: Path) -> ModelRef:
    """Finds the base of an adapter: what run.json says that it was, or what PEFT noted."""
    if (folder / RUN_FILE).is_file():
        model = read_json(folder / RUN_FILE).get("model", {})
        if model.get("base"):
            return recorded_base(folder, model)
    given = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
    if not given:
        raise InputError(
            f"{folder / 'adapter_config.json'}: base_model_name_or_path is missing, so nobody "
            "knows which model the adapter belongs to. Add it."
        )
    return resolve(str(given))


def recorded_base(folder: Path, model: dict[str, Any]) -> ModelRef:
    """Returns the base that a run noted; a folder that is gone never becomes a name on the hub.

    Args:
        folder: The run's folder.
        model: What its run.json says of the model; see `noted`.

    Raises:
        InputError: If the base is not there any more.
    """
    given, kind = str(model["base"]), model.get("base_kind")
    if kind == "hub":
        return ModelRef(given, "hub", given.partition("@")[0], revision=model.get("revision"))
    if kind not in ("folder", "gguf"):
        return resolve(given)
    for path in (model.get("base_path"), given):
        if path and Path(path).exists():
            return replace(resolve(str(path)), given=given)
    raise InputError(
        f"{folder}: its base, {given}, is not there any more (it was {model.get('base_path')}). "
        f"Put it back, or correct model.base_path in {folder / RUN_FILE}."
    )


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        InputError: If the file is not one.
    """
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise InputError(f"{path}: cannot be read: it is no JSON ({error}).") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: is not a JSON object.")
    return value
