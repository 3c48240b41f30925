"""What the methods do differently: which examples they read, how they load and save a model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datakit.record import Record, digest
from trainers import models
from trainers.data import Want, holdout, open_data
from trainers.examples import Refused, chats, labelled, pairs
from trainers.gate import Gate, check_chats
from trainers.gate_pairs import check_labelled, check_pairs
from trainers.models import ModelRef
from trainers.settings import Settings

__all__ = ["Method", "Rows", "method_of"]


@dataclass(frozen=True)
class Rows:
    """Rows to train on or to evaluate on.

    Args:
        items: As the trainer takes them.
        gate: What the gate counted.
        source: Where they come from, for run.json.
    """

    items: list[Any]
    gate: Gate
    source: dict[str, Any]


@dataclass(frozen=True)
class Method:
    """A method's reading, loading and saving.

    Args:
        name: As it is called: `sft`, `dpo`, ...
        examples: Makes examples of records; lists those that are none.
        check: The gate.
        task: `CAUSAL_LM`, or `SEQ_CLS` for a reward model.
    """

    name: str
    wants: Want
    examples: Callable[..., Iterable[Any]]
    check: Callable[..., tuple[Gate, list[Any]]]
    task: str = "CAUSAL_LM"

    def read(
        self,
        settings: Settings,
        data: str | Iterable[Record],
        held_out: str | Iterable[Record] | float | None,
        tokenizer: Any,  # noqa: ANN401
        stops: frozenset[int],
        store: str | Path | None,
        fields: dict[str, str] | None,
    ) -> tuple[Rows, Rows | None]:
        """Reads the data to train on and the held-out data, through the gate."""

        def opened(given: str | Iterable[Record]) -> list[Record]:
            if not isinstance(given, str):
                return list(given)
            return list(open_data(given, store=store, fields=fields, want=self.wants))

        def rows(records: list[Record], given: object, share: str = "") -> Rows:
            refused: list[Refused] = []
            gate, items = self.check(
                self.examples(records, refused),
                refused,
                tokenizer,
                stops,
                max_length=settings.max_length,
                long=settings.long,
            )
            name = given if isinstance(given, str) else "records"
            content = digest([each.content_hash for each in records], 16)
            source = {"ref": name, "records": len(records), "content": content}
            return Rows(items, gate, source | ({"share": share} if share else {}))

        records = opened(data)
        if held_out is None:
            return rows(records, data), None
        if isinstance(held_out, float):
            train, test = holdout(records, share=held_out, seed=settings.seed)
            return rows(train, data, f"{1 - held_out:g}"), rows(test, data, f"{held_out:g}")
        return rows(records, data), rows(opened(held_out), held_out)

    def load(self, settings: Settings, ref: ModelRef, device: str) -> Any:  # noqa: ANN401
        """Loads the model to train."""
        full = settings.lora == "none"
        return models.load_model(
            ref,
            # In bfloat16 alone full fine-tuning loses small updates; there they stay float32.
            dtype="float32" if full else "auto",
            quantize=None if settings.quantize == "none" else settings.quantize,
            device=device,
            trainable=True,
            task=self.task,
        )

    def save(self, trainer: Any, tokenizer: Any, folder: Path) -> None:  # noqa: ANN401
        """Writes the weights and the tokenizer with its template."""
        trainer.save_model(str(folder))
        if trainer.is_world_process_zero():
            # TRL's frozen copy of the adapter that training began with.
            shutil.rmtree(folder / "ref", ignore_errors=True)
            tokenizer.padding_side = "right"
            tokenizer.save_pretrained(str(folder))


_METHODS = {
    "sft": Method("sft", "chat", chats, check_chats),
    "dpo": Method("dpo", "pair", pairs, check_pairs),
    "kto": Method("kto", "label", labelled, check_labelled),
    "reward": Method("reward", "pair", pairs, check_pairs, task="SEQ_CLS"),
}


def method_of(settings: Settings) -> Method:
    """Returns the method that settings belong to."""
    return _METHODS[settings.method]
