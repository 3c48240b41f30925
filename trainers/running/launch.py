"""One training from its data to its folder: gate, memory, model, trainer, run.json."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datakit.errors import InputError
from datakit.record import digest
from trainers import models
from trainers.memory.fitting import check_memory
from trainers.models import ModelRef, resolve
from trainers.page.facts import Told
from trainers.quiet import quiet
from trainers.running import before, run
from trainers.running.claim import SAME, Claim, plain
from trainers.running.ear import Ear
from trainers.running.following import task_for
from trainers.running.job import Job
from trainers.running.methods import Method, method_of
from trainers.running.reading import Data, Opened, Reader, Rows, open_both
from trainers.running.run import Run
from trainers.settings import Settings
from trainers.tokens import set_template, stop_ids

__all__ = ["Ear", "fit"]


def fit(
    settings: Settings,
    data: Data,
    *,
    model: str = "embedded",
    out: str | Path,
    held_out: Data | None = None,
    held_out_share: float | None = None,
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
        held_out: Data to evaluate on in training.
        held_out_share: Or the share of `data` to hold out; those records are then in the folder,
            as held_out.jsonl. Which they are does not depend on the seed.
        resume: Go on from the last checkpoint in `out`.
        store: The folder of versions.
        fields: Our fields to the file's.
        device: `auto`, `cpu` or `cuda`.
        ear: Who is told what happens.
        command: The command line, for run.json.

    Raises:
        InputError: If data would be lost unsaid, if memory would not do, or if `out` is taken.
        MissingExtraError: If a package of the extra `train` is not installed.
    """
    measured = held_out is not None or held_out_share is not None
    method = method_of(settings)
    # What costs nothing to know comes first: importing torch and its like takes half a minute.
    with Claim(Path(out), resume=resume) as claim:
        early = {"method": method.name, "settings": asdict(settings), "processes": _processes()}
        claim.same(early, tuple(early))
        before.check(settings, model=model, device=device, measured=measured)
        opened = open_both(
            data, held_out, held_out_share, want=method.wants, store=store, fields=fields
        )
        task = task_for(method.name, opened.held_out, held_out, plainly=not (store or fields))
        more = {"command": _without_secrets(command), "eval_by": task}
        with quiet():
            job = _job(settings, opened, model, Path(out), device, ear or Ear(), more, claim)
            return job.run(resume=resume)


def _job(
    settings: Settings,
    opened: Opened,
    model: str,
    folder: Path,
    device: str,
    ear: Ear,
    more: dict[str, Any],
    claim: Claim,
) -> Job:
    """Sends records through the gate, and writes the beginning of run.json."""
    place = models.default_device() if device == "auto" else device
    before.check_optimizer(settings)
    method, ref = method_of(settings), resolve(model)
    tokenizer = models.load_tokenizer(ref)
    set_template(tokenizer, settings.template)
    config = models.load_config(ref)
    _same_vocabulary(tokenizer, config)
    stops = stop_ids(tokenizer, config, models.load_generation_config(ref))
    rows, held_out = Reader(method, settings, tokenizer, stops).read(opened)
    facts = _facts(method, settings, ref, tokenizer, rows, held_out, place) | more
    claim.same(facts)
    ear.say(f"train  {Told(facts).short}")
    facts["memory"] = _gates(settings, config, rows, held_out, place, ear)
    claim.prepare(facts)
    return Job(settings, method, ref, tokenizer, rows, held_out, folder, place, facts, ear)


def _gates(
    settings: Settings,
    config: Any,  # noqa: ANN401  PretrainedConfig
    rows: Rows,
    held_out: Rows | None,
    device: str,
    ear: Ear,
) -> list[tuple[str, str]]:
    """Lets a training through whose rows are whole and that fits; returns its need of memory."""
    ear.table("data", rows.gate.table())
    for each in (rows, held_out):
        if each is not None:
            apart = each is held_out
            each.gate.check(long=settings.long, unusable=settings.unusable, held_out=apart)
    longest = min(settings.max_length, max(rows.gate.lengths.most, 1))
    _context(config, longest)
    # A pack is as long as it may be, whatever its rows are.
    packed = getattr(settings, "packing", False)
    memory = check_memory(settings, config, settings.max_length if packed else longest, device)
    ear.table("memory", memory)
    return memory


def _without_secrets(command: str | None) -> str | None:
    """Returns a command line without users and passwords of addresses."""
    return None if command is None else re.sub(r"://[^/\s@]+@", "://", command)


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


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
    tokenizer: Any,  # noqa: ANN401
    rows: Rows,
    held_out: Rows | None,
    device: str,
) -> dict[str, Any]:
    template = hashlib.sha256(str(tokenizer.chat_template).encode()).hexdigest()
    facts = run.started(
        method.name,
        model={
            **models.noted(ref),
            "adapter": run.weight_files(Path(ref.adapter)) if ref.adapter else None,
            "template_sha256": template,
        },
        data={"train": rows.source, "held_out": held_out.source if held_out else None},
        settings=asdict(settings),
        processes=_processes(),
        device=device,
        used={
            "learning_rate": settings.rate,
            "optimizer": settings.optimizer_on(device),
            "steps": settings.total_steps(len(rows.items), _processes()),
        },
        gate=rows.gate.to_json(),
        held_out_gate=held_out.gate.to_json() if held_out else None,
        example=rows.gate.example,
    )
    facts["identity"] = digest({key: plain(facts[key]) for key in SAME}, 16)
    return facts
