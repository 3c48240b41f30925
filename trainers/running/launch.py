"""One training from its data to its folder: gate, memory, model, trainer, run.json."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datakit.errors import InputError, did_you_mean
from datakit.record import Record, digest
from trainers import models
from trainers.memory.fitting import check_memory
from trainers.models import ModelRef, resolve
from trainers.running import run, tracking
from trainers.running.checkpoints import quiet
from trainers.running.job import Ear, Job
from trainers.running.methods import Method, Rows, method_of
from trainers.running.run import RUN_FILE, Run, is_main
from trainers.settings import Settings
from trainers.tokens import set_template, stop_ids

__all__ = ["Ear", "fit"]


@quiet()
def fit(
    settings: Settings,
    data: str | Iterable[Record],
    *,
    model: str = "embedded",
    out: str | Path,
    held_out: str | Iterable[Record] | float | None = None,
    resume: bool = False,
    store: str | Path | None = None,
    fields: dict[str, str] | None = None,
    device: str = "auto",
    ear: Ear | None = None,
    command: str | None = None,
) -> Run:
    """Trains a model, and leaves a folder that can be loaded, evaluated and trained on.

    Args:
        settings: The method and its settings: `SFT(...)`, `DPO(...)` and so on.
        data: A version, a file, a hub dataset or records.
        model: What to start from; see `trainers.models.resolve`.
        out: The folder for the result.
        held_out: Data to evaluate on in training, or the share of `data` to hold out.
        resume: Go on from the last checkpoint in `out`.
        store: The folder of versions.
        fields: Our fields to the file's.
        device: `auto`, `cpu` or `cuda`.
        ear: Who is told what happens.
        command: The command line, for run.json.

    Raises:
        InputError: If data would be lost unsaid, if memory would not do, or if `out` is taken.
    """
    ear = ear or Ear()
    tracking.check(settings.report_to)
    method = method_of(settings)
    ref = resolve(model)
    place = models.default_device() if device == "auto" else device
    _possible(settings, place)
    tokenizer = models.load_tokenizer(ref)
    set_template(tokenizer, settings.template)
    config = models.load_config(ref)
    _same_vocabulary(tokenizer, config)
    stops = stop_ids(tokenizer, config)
    rows, held_rows = method.read(settings, data, held_out, tokenizer, stops, store, fields)
    ear.table("data", rows.gate.table())
    for each in (rows, held_rows):
        if each is not None:
            each.gate.check(long=settings.long, unusable=settings.unusable)
    longest = min(settings.max_length, max(rows.gate.lengths.most, 1))
    _context(config, longest)
    memory = check_memory(settings, config, longest, place)
    ear.table("memory", memory)
    facts = _facts(method, settings, ref, rows, held_rows, place)
    facts |= {"memory": memory, "command": command}
    if is_main():
        _prepare(Path(out), facts, resume=resume)
    job = Job(settings, method, ref, tokenizer, rows, held_rows, Path(out), place, facts, ear)
    return job.run(resume=resume)


def _possible(settings: Settings, device: str) -> None:
    """Stops where this machine or its packages cannot do what is asked."""
    import torch
    from transformers.training_args import OptimizerNames

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(
            f"--device {device}: torch sees no GPU here. Use --device cpu; or install a torch "
            "build for CUDA and look at `nvidia-smi`."
        )
    names = [str(each.value) for each in OptimizerNames]
    if settings.optimizer != "auto" and settings.optimizer not in names:
        near = did_you_mean(settings.optimizer, names) or f"; there are {', '.join(names)}."
        raise InputError(f'--optimizer: there is no "{settings.optimizer}"{near}')
    if settings.quantize == "nf4" or "8bit" in settings.optimizer:
        models.need("bitsandbytes", "qlora", "Training in 4 or 8 bits")


def _same_vocabulary(tokenizer: Any, config: Any) -> None:  # noqa: ANN401
    """Stops where the tokenizer has tokens that the model has no row for."""
    rows = getattr(config.get_text_config(), "vocab_size", None)
    if rows and len(tokenizer) > rows:
        raise InputError(
            f"the tokenizer has {len(tokenizer):,} tokens, the model {rows:,}: they do not belong "
            "together. Use the tokenizer that the model came with."
        )


def _context(config: Any, longest: int) -> None:  # noqa: ANN401  PretrainedConfig
    """Stops where rows are longer than what the model was made for."""
    most = getattr(config.get_text_config(), "max_position_embeddings", None)
    if most and longest > most:
        raise InputError(
            f"--max-length: the longest row has {longest:,} tokens, but the model was made for at "
            f"most {most:,}. Use --max-length {most} with --long drop or --long cut."
        )


def _facts(
    method: Method,
    settings: Settings,
    ref: ModelRef,
    rows: Rows,
    held_out: Rows | None,
    device: str,
) -> dict[str, Any]:
    facts = run.started(
        method.name,
        model={
            "given": ref.given,
            "base": ref.base.given,
            "kind": ref.kind,
            "sha256": models.fingerprint(ref),
            "adapter": run.weight_files(Path(ref.adapter)) if ref.adapter else None,
        },
        data={"train": rows.source, "held_out": held_out.source if held_out else None},
        settings=asdict(settings),
        device=device,
        gate=rows.gate.to_json(),
        held_out_gate=held_out.gate.to_json() if held_out else None,
        example=rows.gate.example,
    )
    same = ("method", "model", "data", "settings")
    facts["identity"] = digest({key: _plain(facts[key]) for key in same}, 16)
    return facts


def _plain(value: Any) -> Any:  # noqa: ANN401  a JSON value
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _prepare(folder: Path, facts: dict[str, Any], *, resume: bool) -> None:
    """Makes the folder, or finds out that it must not be written to."""
    if folder.is_file():
        raise InputError(f"-o {folder}: is a file; name a folder.")
    there = sorted(os.listdir(folder)) if folder.is_dir() else []
    if not resume:
        if RUN_FILE in there and not Run(folder).done:
            raise InputError(
                f"-o {folder}: holds a training that did not end. --resume goes on with it; else "
                "remove the folder, or name another."
            )
        if there:
            raise InputError(f"-o {folder}: is not empty. Name another folder, or remove this one.")
    elif RUN_FILE in there:
        was = Run(folder)
        if was.facts.get("identity") != facts["identity"]:
            changed = [
                name
                for name in ("method", "model", "data", "settings")
                if _plain(was.facts.get(name)) != _plain(facts[name])
            ]
            raise InputError(
                f"-o {folder}: --resume goes on with the same training, but {', '.join(changed)} "
                "changed since. Use the first command as it was, or name another folder."
            )
    elif there:
        raise InputError(f"-o {folder}: is not empty, and holds no training to go on with.")
    folder.mkdir(parents=True, exist_ok=True)
