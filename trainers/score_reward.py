"""score.reward: how highly a reward model rates a record's answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from datakit.errors import InputError
from datakit.record import Record
from datakit.step import FileRef, Resources, step

if TYPE_CHECKING:
    from trainers.rating import Rater

__all__ = ["RewardScore"]

_WEIGHTS = ("adapter_model.safetensors", "model.safetensors")


@step("score.reward")
class RewardScore:
    """Adds `reward`, the rating of the answer by a reward model.

    Ratings of one model compare; their level means nothing by itself. Records that are no chat, or
    too long, get none, so that `filter.where` drops them as `no_score`.

    Args:
        model: The folder that `datakit train reward` wrote. It counts by its weights alone.
        batch: Records that are rated at once.
        max_length: Most tokens of a record, prompt and answer together.
    """

    model: FileRef
    batch: Annotated[int, Meta(ge=1)] = 16
    max_length: Annotated[int, Meta(ge=1)] = 1024

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", FileRef(_weights(Path(self.model).expanduser())))

    def score(self, records: Sequence[Record], resources: Resources) -> list[dict[str, Any]]:
        """Returns `reward` of each record, or nothing where it cannot be rated."""
        rater = resources.open(_open, str(self.model))
        found = rater.rate(records, batch=self.batch, max_length=self.max_length)
        return [{} if each is None else {"reward": round(each, 4)} for each in found]


def _weights(path: Path) -> Path:
    """Returns the file that tells one model from another: what else is in its folder may change.

    A model in several files counts by its whole folder.

    Raises:
        ValueError: If it is no reward model.
    """
    folder = path.parent if path.is_file() else path
    if not folder.is_dir():
        raise ValueError(f"model: there is no folder {folder}")
    if not _rates(folder):
        raise ValueError(
            f"model: {folder} holds no reward model; one is trained by: datakit train reward"
        )
    found = (folder / name for name in _WEIGHTS)
    return next((each for each in found if each.is_file()), folder)


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
    except (OSError, ValueError) as error:
        raise ValueError(f"model: {path} cannot be read: {error}") from None
    return value if isinstance(value, dict) else {}


def _open(model: str) -> Rater:
    path = Path(model)
    if not path.exists():
        raise InputError(f"score.reward.model: {model} is not there any more.")
    from trainers.rating import open_rater

    return open_rater(str(path.parent if path.is_file() else path))
