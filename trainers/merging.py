"""An adapter merged into its base, and not believed until it answers the same.

A model in 4 bits is never merged into and never dequantised: the sum would be rounded to the same
4 bits and the gain be lost, and after a forward pass on some CPUs the packed weights mean something
else, so that what is saved is destroyed without an error (bitsandbytes issue 2078 is related). So
the base is loaded unquantised, whatever the adapter was trained on.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datakit.errors import InputError
from trainers import models
from trainers.models import ModelRef, resolve
from trainers.quiet import quiet
from trainers.running.run import RUN_FILE, Run, weight_files, write_json
from trainers.tokens import encode

__all__ = ["Merged", "merge"]

# What the merged model may differ from the adapter on its base: a share of what the adapter itself
# changes, as Kullback-Leibler divergence of the next token. Float32 sums differ by rounding alone;
# bfloat16 has 8 bits for a weight, and small updates are rounded away in part. Float16 has 11: its
# rounding is 8 times finer, and the divergence goes with the square of it.
_MOST_LOST = {"float32": 1e-4, "bfloat16": 0.05, "float16": 0.005}
# Nats per token that pass whatever share they are: after few steps an adapter changes so little
# that rounding the weights is more, and yet no answer is another. Float32 rounds to far less, so
# there a change that is lost is a fault however small.
_SAME = {"float32": 1e-8, "bfloat16": 1e-3, "float16": 1e-3}
# Below this an adapter changes nothing, and a share of it means nothing.
_NO_CHANGE = 1e-9

_PROBES = (
    ("What is the capital of France?", "The capital of France is Paris."),
    ("Add 17 and 25.", "17 + 25 = 42."),
    ("Write a query that counts the rows of orders.", "SELECT COUNT(*) FROM orders;"),
    ("Name three colours.", "Red, green and blue."),
)


@dataclass(frozen=True)
class Merged:
    """A merged model and the evidence that it is the same.

    Args:
        folder: Where it is.
        base: What it was merged into.
        dtype: Format of its weights.
        max_logit_difference: Greatest difference of a logit from the adapter on its base.
        kl: Mean divergence of the merged model from the adapter on its base, in nats per token.
        kl_base: The same of the bare base: what the adapter changes.
        tolerance: Greatest `kl` over `kl_base` that passes.
        floor: `kl` in nats per token under which it passes whatever share of `kl_base` that is.
        same_top: Share of places where both name the same next token.
        tokens: Places that were compared.
        files: SHA-256 of the weight files.
    """

    folder: str
    base: str
    dtype: str
    max_logit_difference: float
    kl: float
    kl_base: float
    tolerance: float
    floor: float
    same_top: float
    tokens: int
    files: dict[str, str]

    @property
    def lost(self) -> float:
        """Share of the adapter's change that the merged model lacks."""
        return self.kl / self.kl_base if self.kl_base > _NO_CHANGE else self.kl

    @property
    def same(self) -> bool:
        """Whether it answers as the adapter on its base: its share or its floor is kept."""
        # Weights that overflowed give no number at all, and no comparison with one holds.
        return self.kl < self.floor or self.lost <= self.tolerance

    def to_json(self) -> dict[str, Any]:
        """Returns it for merge.json."""
        return {**asdict(self), "lost": self.lost}

    def summary(self) -> list[str]:
        """Returns the lines that a command prints."""
        return [
            f"{self.folder}   {self.base} with the adapter merged in, {self.dtype}",
            f"the same as the adapter on its base: {self._share()}, logits differ by at most "
            f"{self.max_logit_difference:.1e}, the next token is the same in {self.same_top:.1%} "
            f"of {self.tokens:,} places",
        ]

    def _share(self) -> str:
        if self.lost <= self.tolerance:
            return (
                f"{self.lost:.2%} of what the adapter changes is lost (at most "
                f"{self.tolerance:.2%})"
            )
        return (
            f"it is {self.kl:.1e} nats per token from it (less than {self.floor:.0e} always "
            f"passes); the adapter itself changes no more than {self.kl_base:.1e}"
        )


@quiet()
def merge(
    adapter: str,
    out: str | Path,
    *,
    dtype: str = "auto",
    say: Callable[[str], None] = lambda text: None,
) -> Merged:
    """Merges an adapter into its base, saves, reloads and compares.

    Args:
        adapter: A folder that training wrote.
        out: The folder for the merged model.
        dtype: Format of its weights, `float32`, `bfloat16` or `float16`; `auto` is that of the
            base.
        say: Is told what happens.

    Returns:
        The merged model. Of what the adapter changes it lost at most 0.01 % in float32, 0.5 % in
        float16 and 5 % in bfloat16, or it differs by less than 1e-3 nats per token (float32: 1e-8).

    Raises:
        InputError: If it is no adapter, if its base is stored in 4 bits or in a format that is not
            among these, or if the merged model does not answer as the adapter on its base does;
            nothing is left behind then.
    """
    ref, folder = resolve(adapter), Path(out)
    _check(ref, adapter, folder)
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        merged = _checked(ref, folder, _format(ref, adapter, dtype), draft, say)
        if not merged.same:
            raise _not_the_same(adapter, merged)
        write_json(draft / "merge.json", merged.to_json())
        folder.parent.mkdir(parents=True, exist_ok=True)
        os.replace(draft, folder)
    except OSError as error:
        raise InputError(f"-o {folder}: cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return merged


def _checked(
    ref: ModelRef, folder: Path, dtype: str, draft: Path, say: Callable[[str], None]
) -> Merged:
    """Writes the merged model to a draft of its folder, and compares what can be read of it."""
    tokenizer = models.load_tokenizer(ref)
    rows = [row for row in (_ids(tokenizer, each) for each in _PROBES) if len(row) > 1]
    say(f"{ref.base.given}: loading it unquantised")
    before, base = _write(ref, rows, dtype, tokenizer, draft)
    say("loading what was saved, to compare")
    after = _logits(models.load_model(_at(draft), dtype="float32", device="cpu"), rows)
    return _compared(ref, folder, dtype, before, base, after, weight_files(draft))


def _format(ref: ModelRef, adapter: str, dtype: str) -> str:
    """Returns the format of the merged weights."""
    stored = getattr(models.load_config(ref), "dtype", None) or "float32"
    kind = str(stored).removeprefix("torch.") if dtype == "auto" else dtype
    if kind not in _MOST_LOST:
        which = (
            f"its base is stored as {kind}" if dtype == "auto" else f'there is no dtype "{kind}"'
        )
        raise InputError(f"{adapter}: {which}; name one: --dtype float32, or --dtype bfloat16.")
    return kind


def _not_the_same(adapter: str, merged: Merged) -> InputError:
    text = (
        f"{merged.lost:.2%} of what the adapter changes is lost, at most {merged.tolerance:.2%} "
        f"may be (or less than {merged.floor:.0e} nats per token; it is {merged.kl:.1e})"
    )
    if not math.isfinite(merged.kl):
        text = f"some weights do not fit into {merged.dtype}"
    return InputError(
        f"{adapter}: the merged model is not the adapter on its base: {text}. Nothing was written. "
        "Use --dtype float32, or serve the adapter on its base."
    )


def _check(ref: ModelRef, adapter: str, folder: Path) -> None:
    if ref.adapter is None:
        raise InputError(f"{adapter}: is no adapter; there is nothing to merge.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"-o {folder}: is there already. Name another folder, or remove it.")
    config = models.load_config(ref)
    if getattr(config, "quantization_config", None):
        raise InputError(
            f"{adapter}: its base {ref.path} is stored quantised. Merging into it would lose the "
            "gain; name the unquantised model as base_model_name_or_path in "
            f"{Path(ref.adapter) / 'adapter_config.json'}."
        )
    if (Path(ref.adapter) / RUN_FILE).is_file():
        trained_on = Run(ref.adapter).facts["model"]["sha256"]
        if trained_on != models.fingerprint(ref):
            raise InputError(
                f"{adapter}: was trained on another model than {ref.base.given} is now: the "
                "weights differ. Merge it with the base that it was trained on."
            )


def _ids(tokenizer: Any, probe: tuple[str, str]) -> list[int]:  # noqa: ANN401
    asked, answer = probe
    chat = ({"role": "user", "content": asked}, {"role": "assistant", "content": answer})
    return encode(tokenizer, chat).input_ids


def _at(folder: Path) -> ModelRef:
    return ModelRef(str(folder), "folder", str(folder))


def _write(
    ref: ModelRef,
    rows: list[list[int]],
    dtype: str,
    tokenizer: Any,  # noqa: ANN401
    draft: Path,
) -> tuple[list[Any], list[Any]]:
    """Writes the merged model; returns the logits of the adapter on its base, and of the base."""
    # Computed in float32, so that what is compared is the weights and not the noise of bfloat16.
    model: Any = models.load_model(ref, dtype="float32", device="cpu")
    before = _logits(model, rows)
    with model.disable_adapter():
        base = _logits(model, rows)
    merged = model.merge_and_unload(safe_merge=True)
    merged.to(models.torch_dtype(dtype, "cpu")).save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    return before, base


def _logits(model: Any, rows: list[list[int]]) -> list[Any]:  # noqa: ANN401
    import torch

    with torch.no_grad():
        return [model(input_ids=torch.tensor([row])).logits[0].float() for row in rows]


def _compared(
    ref: ModelRef,
    folder: Path,
    dtype: str,
    before: list[Any],
    base: list[Any],
    after: list[Any],
    files: dict[str, str],
) -> Merged:
    import torch

    said, bare, now = (torch.cat(each) for each in (before, base, after))
    return Merged(
        folder=str(folder),
        base=ref.base.given,
        dtype=dtype,
        max_logit_difference=float((said - now).abs().max()),
        kl=_divergence(said, now),
        kl_base=_divergence(said, bare),
        tolerance=_MOST_LOST[dtype],
        floor=_SAME[dtype],
        same_top=float((said.argmax(-1) == now.argmax(-1)).float().mean()),
        tokens=len(said),
        files=files,
    )


def _divergence(said: Any, other: Any) -> float:  # noqa: ANN401  logits (tokens, vocabulary)
    import torch

    p, q = (torch.log_softmax(each.double(), -1) for each in (said, other))
    return float((p.exp() * (p - q)).sum(-1).mean())
