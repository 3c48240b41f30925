"""score.reward: how highly a reward model rates a record's answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from datakit.errors import InputError
from datakit.record import Record
from datakit.step import FileRef, Resources, step
from trainers.deciding import deciding, settings_in

if TYPE_CHECKING:
    from trainers.rating import Rater

__all__ = ["RewardScore"]


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
    """Returns what tells one model from another.

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
    return deciding(folder)


def _rates(folder: Path) -> bool:
    adapter = settings_in(folder / "adapter_config.json")
    if adapter:
        return adapter.get("task_type") == "SEQ_CLS"
    classes = settings_in(folder / "config.json").get("architectures") or ()
    return any(str(each).endswith("ForSequenceClassification") for each in classes)


def _open(model: str) -> Rater:
    path = Path(model)
    if not path.exists():
        raise InputError(f"score.reward.model: {model} is not there any more.")
    from trainers.rating import open_rater

    return open_rater(str(path.parent if path.is_file() else path))
