"""score.ifd: how little a record's question helps a small model to its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from datakit.errors import InputError
from datakit.hub import is_hub_id
from datakit.record import Record
from datakit.step import FileRef, Resources, step
from trainers.deciding import deciding

if TYPE_CHECKING:
    from trainers.following import Follower

__all__ = ["IfdScore"]


@step("score.ifd")
class IfdScore:
    """Adds `ifd`, the difficulty of following the instruction, and `answer_nll`.

    `ifd` is the perplexity of the answer after its question, divided by that of the answer alone
    (Li et al. 2023, https://arxiv.org/abs/2308.12032; a small model ranks as a large one does: Li
    et al. 2024, https://arxiv.org/abs/2402.00530). Near 0 the question says it all; from 1 on it
    does not help, so answer and question may not belong together. Those papers drop what is not
    below 1 and train on the highest of the rest. Here that showed no lift that could be told from
    chance: the highest tenth of 2,000 records of Alpaca against random ones of them, embedded
    model, five replicates of 96 examples: -0.006 nats per token, 95 % [-0.027, +0.014]
    (`python -m tests.benchmarks.following --lift`). What it does tell is whether an answer belongs
    to its question: of answers swapped between records 94 % have 1 and more, of the right ones
    0.7 %. So take `filter.where: "ifd < 1"` to find mismatches, and measure before you select by
    it. `answer_nll` is the answer's mean negative
    log-likelihood after its question, in nats per token.

    Records that are no chat, or whose question alone is too long, get none, so that
    `filter.where: "ifd < 1"` drops them as `no_score`. Of a longer answer the first tokens that fit
    are scored.

    Args:
        model: What reads: `embedded`, a folder, a .gguf file, or a hub id.
        batch: Records that are read at once.
        max_length: Most tokens of a record, question and answer together.
        template: A chat template for a model that has none, such as `chatml`, or a .jinja file.
        counts: Found by the step, and never given: the files by which the model is known.
    """

    model: FileRef = FileRef("embedded")
    batch: Annotated[int, Meta(ge=1)] = 16
    max_length: Annotated[int, Meta(ge=8)] = 1024
    template: FileRef = FileRef("")
    counts: tuple[FileRef, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        given = Path(self.model).expanduser()
        if self.model.lower().startswith(("http://", "https://")):
            raise ValueError("model: must be local; a server does not tell how likely a text is.")
        if self.model == "embedded":
            from datakit.llm.embedded import default_gguf

            object.__setattr__(self, "counts", (FileRef(default_gguf()),))
        elif given.is_dir() or given.suffix == ".safetensors":
            folder = given if given.is_dir() else given.parent
            model, *rest = deciding(folder)
            object.__setattr__(self, "model", model)
            object.__setattr__(self, "counts", tuple(rest))
        elif not given.is_file() and (
            self.model.is_path or not is_hub_id(self.model.partition("@")[0])
        ):
            raise ValueError(
                f'model: there is no model "{self.model}"; it is `embedded`, a folder, a .gguf '
                "file, or a hub id (owner/name)"
            )

    def score(self, records: Sequence[Record], resources: Resources) -> list[dict[str, Any]]:
        """Returns `ifd` and `answer_nll` of each record, or nothing where it has none."""
        follower = resources.open(_open, str(self.model), str(self.template))
        found = follower.follow(records, batch=self.batch, max_length=self.max_length)
        return [
            {}
            if each is None
            else {"ifd": round(each.ratio, 4), "answer_nll": round(each.given, 4)}
            for each in found
        ]


def _open(model: str, template: str) -> Follower:
    path = Path(model).expanduser()
    if path.is_absolute() and not path.exists():
        raise InputError(f"score.ifd.model: {model} is not there any more.")
    from trainers.following import open_follower

    weights = path.is_file() and path.suffix != ".gguf"
    return open_follower(str(path.parent if weights else model), template)
