"""score.reward: how highly a reward model rates a record's answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from datakit.errors import InputError
from datakit.record import Record
from datakit.step import FileRef, Resources, step

if TYPE_CHECKING:
    from trainers.rating import Rater

__all__ = ["RewardScore"]

# Of a model's folder, what decides a rating. A page, a log or a checkpoint beside it does not.
_WEIGHTS = ("adapter_model.*", "model*.safetensors", "pytorch_model*.bin")
_CONFIGS = ("adapter_config.json", "config.json", "*.index.json")
_TOKENIZER = (
    *("tokenizer*", "chat_template*", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.*", "merges.txt"),
)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?\Z")


@step("score.reward")
class RewardScore:
    """Adds `reward`, the rating of the answer by a reward model.

    Ratings of one model compare; their level means nothing by itself. Records that are no chat, or
    too long, get none, so that `filter.where` drops them as `no_score`.

    Args:
        model: The folder that `datakit train reward` wrote.
        batch: Records that are rated at once.
        max_length: Most tokens of a record, prompt and answer together.
        counts: Found by the step, and never given: what the model counts by beside its weights,
            which are its settings, its tokenizer and, for an adapter, the same of its base.
    """

    model: FileRef
    batch: Annotated[int, Meta(ge=1)] = 16
    max_length: Annotated[int, Meta(ge=1)] = 1024
    # Files rather than one hash of them: a pipeline that is only looked at reads no weights.
    counts: tuple[FileRef, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        model, *rest = _deciding(Path(self.model).expanduser())
        object.__setattr__(self, "model", model)
        object.__setattr__(self, "counts", tuple(rest))

    def score(self, records: Sequence[Record], resources: Resources) -> list[dict[str, Any]]:
        """Returns `reward` of each record, or nothing where it cannot be rated."""
        rater = resources.open(_open, str(self.model))
        found = rater.rate(records, batch=self.batch, max_length=self.max_length)
        return [{} if each is None else {"reward": round(each, 4)} for each in found]


def _deciding(path: Path) -> list[FileRef]:
    """Returns what tells one model from another: its first file of weights, then all the rest.

    Raises:
        ValueError: If it is no reward model, or its base is not there.
    """
    folder = path.parent if path.is_file() else path
    if not folder.is_dir():
        raise ValueError(f"model: there is no folder {folder}")
    if not _rates(folder):
        raise ValueError(
            f"model: {folder} holds no reward model; one is trained by: datakit train reward"
        )
    weights = _files(folder, *_WEIGHTS)
    if not weights:
        raise ValueError(f"model: {folder} holds no weights.")
    tokenizer = _files(folder, *_TOKENIZER)
    found = [*weights, *_files(folder, *_CONFIGS), *tokenizer]
    if (folder / "adapter_config.json").is_file():
        found += _base(folder, has_tokenizer=(folder / "tokenizer_config.json").is_file())
    return found


def _files(folder: Path, *patterns: str) -> list[FileRef]:
    named = {each for pattern in patterns for each in folder.glob(pattern) if each.is_file()}
    return [FileRef(each) for each in sorted(named)]


def _base(folder: Path, *, has_tokenizer: bool) -> Iterator[FileRef]:
    """Yields what an adapter's base counts by: its files, or its name and commit on the hub."""
    noted = _json(folder / "run.json").get("model") or {}
    given = str(
        noted.get("base") or _json(folder / "adapter_config.json").get("base_model_name_or_path")
    )
    if given == "embedded":
        from datakit.llm.embedded import default_gguf

        yield FileRef(default_gguf())
        return
    there = (Path(each) for each in (noted.get("base_path"), given) if each)
    path = next((each for each in there if each.exists()), None)
    if path is None:
        if not _HUB_ID.match(given) or noted.get("base_path"):
            raise ValueError(f"model: the base of {folder}, {given}, is not there any more.")
        name, _, revision = given.partition("@")
        yield FileRef(f"{name}@{noted.get('revision') or revision}")
    elif path.is_file():
        yield FileRef(path.resolve())
    else:
        patterns = _WEIGHTS + _CONFIGS + (() if has_tokenizer else _TOKENIZER)
        yield from _files(path.resolve(), *patterns)


def _rates(folder: Path) -> bool:
    adapter = _json(folder / "adapter_config.json")
    if adapter:
        return adapter.get("task_type") == "SEQ_CLS"
    classes = _json(folder / "config.json").get("architectures") or ()
    return any(str(each).endswith("ForSequenceClassification") for each in classes)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ValueError(f"model: {path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"model: {path} cannot be read: it is no JSON ({error})") from None
    return value if isinstance(value, dict) else {}


def _open(model: str) -> Rater:
    path = Path(model)
    if not path.exists():
        raise InputError(f"score.reward.model: {model} is not there any more.")
    from trainers.rating import open_rater

    return open_rater(str(path.parent if path.is_file() else path))
