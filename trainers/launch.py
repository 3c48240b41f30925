"""One training from its data to its folder: gate, memory, model, trainer, run.json."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datakit.errors import InputError
from datakit.record import Record, digest
from trainers import models, run
from trainers.methods import Method, Rows, method_of
from trainers.models import ModelRef, resolve
from trainers.run import RUN_FILE, Clock, Run
from trainers.settings import Settings
from trainers.tokens import set_template, stop_ids

__all__ = ["Ear", "fit"]

_CHECKPOINTS = "checkpoints"


@dataclass
class Ear:
    """Who is told what happens: each is called with text.

    Args:
        say: A line of words.
        progress: A line that replaces the one before, and whether it is the last.
        table: Names and figures under a title.
    """

    say: Callable[[str], None] = lambda text: None
    progress: Callable[[str, bool], None] = lambda text, last: None
    table: Callable[[str, list[tuple[str, str]]], None] = lambda title, rows: None


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

    Raises:
        InputError: If data would be lost unsaid, if memory would not do, or if `out` is taken.
    """
    ear = ear or Ear()
    method = method_of(settings)
    folder = Path(out)
    ref = resolve(model)
    place = models.default_device() if device == "auto" else device
    tokenizer = models.load_tokenizer(ref)
    set_template(tokenizer, settings.template)
    stops = stop_ids(tokenizer, models.load_config(ref))
    rows, held_rows = method.read(settings, data, held_out, tokenizer, stops, store, fields)
    ear.table("data", rows.gate.table())
    for each in (rows, held_rows):
        if each is not None:
            each.gate.check(long=settings.long, unusable=settings.unusable)
    facts = _facts(method, settings, ref, rows, held_rows, place)
    _prepare(folder, facts, resume=resume)
    _guard(settings, ref, rows, place, ear)
    job = _Job(settings, method, ref, tokenizer, rows, held_rows, folder, place, facts, ear)
    return job.run(resume=resume)


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


def _guard(settings: Settings, ref: ModelRef, rows: Rows, device: str, ear: Ear) -> None:
    """Stops before the model is loaded where memory would not do."""
    from trainers.fitting import check_memory

    longest = min(settings.max_length, max(rows.gate.lengths.most, 1))
    ear.table("memory", check_memory(settings, models.load_config(ref), longest, device))


class _Job:
    """A training that passed the gate."""

    def __init__(
        self,
        settings: Settings,
        method: Method,
        ref: ModelRef,
        tokenizer: Any,  # noqa: ANN401
        rows: Rows,
        held_out: Rows | None,
        folder: Path,
        device: str,
        facts: dict[str, Any],
        ear: Ear,
    ) -> None:
        self.settings, self.method, self.ref, self.tokenizer = settings, method, ref, tokenizer
        self.rows, self.held_out, self.folder, self.device = rows, held_out, folder, device
        self.facts, self.ear = facts, ear

    def run(self, *, resume: bool) -> Run:
        """Trains, saves and records."""
        if resume and (self.folder / RUN_FILE).is_file() and Run(self.folder).done:
            self.ear.say(f"{self.folder}: the training is done already.")
            return Run(self.folder)
        clock = Clock()
        with quiet():
            trainer = self._trainer()
            if trainer.is_world_process_zero():
                self._write_dropped()
                self._write()
            checkpoint = last_checkpoint(self.folder / _CHECKPOINTS) if resume else None
            if checkpoint:
                self.ear.say(f"going on from {checkpoint.name}")
            result = self._train(trainer, checkpoint)
            self._save(trainer)
        self.facts |= {"status": "done", "finished": run.now()}
        self.facts["cost"] = self._cost(trainer, result, clock)
        if trainer.is_world_process_zero():
            self._write()
            self._page()
        return Run(self.folder)

    def _trainer(self) -> Any:  # noqa: ANN401  a TRL trainer
        from transformers import set_seed

        from trainers.watching import Progress, StopOnNaN

        set_seed(self.settings.seed)
        model = self.method.load(self.settings, self.ref, self.device)
        devices = int(os.environ.get("WORLD_SIZE", "1"))
        steps = self.settings.total_steps(len(self.rows.items), devices)
        trainer = self.settings(  # type: ignore[operator]
            model,
            self.tokenizer,
            self.rows.items,
            self.held_out.items if self.held_out else None,
            folder=self.folder / _CHECKPOINTS,
            device=self.device,
            steps=steps,
        )
        from transformers import PrinterCallback

        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(StopOnNaN(self.settings.rate))
        if trainer.is_world_process_zero():
            trainer.add_callback(Progress(self.ear.progress))
        if self.settings.patience:
            from transformers import EarlyStoppingCallback

            trainer.add_callback(EarlyStoppingCallback(self.settings.patience))
        self.facts["parameters"] = parameters(trainer.model)
        return trainer

    def _train(self, trainer: Any, checkpoint: Path | None) -> Any:  # noqa: ANN401
        from trainers.watching import curves, plainly

        try:
            result = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except Exception as error:
            self.facts |= {"status": "failed", "curves": curves(trainer.state.log_history)}
            if trainer.is_world_process_zero():
                self._write()
            plain = plainly(error, self.settings)
            if plain is not None:
                raise plain from error
            raise
        self.facts["curves"] = curves(trainer.state.log_history)
        self.facts["result"] = _result(trainer, self.facts["curves"])
        return result

    def _save(self, trainer: Any) -> None:  # noqa: ANN401
        """Moves the weights in beside run.json, which then says that they are whole."""
        draft = self.folder / ".saving"
        self.method.save(trainer, self.tokenizer, draft)
        if not trainer.is_world_process_zero():
            return
        for path in sorted(draft.iterdir()):
            if path.name != "training_args.bin":
                os.replace(path, self.folder / path.name)
        shutil.rmtree(draft)
        self.facts["files"] = run.weight_files(self.folder)

    def _cost(self, trainer: Any, result: Any, clock: Clock) -> dict[str, Any]:  # noqa: ANN401
        state = trainer.state
        return {
            **clock.seconds(),
            "train_seconds": round(result.metrics.get("train_runtime", 0.0), 1),
            "rows": state.global_step * self.settings.batch * self.settings.accumulate,
            "tokens": int(_last(self.facts["curves"]["train"], "num_tokens")),
            "flops": float(state.total_flos or 0.0),
        }

    def _write_dropped(self) -> None:
        import json

        if not self.rows.gate.dropped:
            return
        with open(self.folder / "dropped.jsonl", "w", encoding="utf-8") as file:
            for name, reason in self.rows.gate.dropped:
                step = f"train.{self.method.name}"
                row = {"id": name, "dropped": {"step": step, "reason": reason}}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _write(self) -> None:
        run.write_json(self.folder / RUN_FILE, self.facts)

    def _page(self) -> None:
        from trainers.page import render

        (self.folder / "run.html").write_text(render(self.facts), encoding="utf-8")


def parameters(model: Any) -> dict[str, Any]:  # noqa: ANN401  torch.nn.Module
    """Returns how many parameters a model has and how many of them are trained."""
    trainable = sum(each.numel() for each in model.parameters() if each.requires_grad)
    # Weights in 4 bits lie two to a byte; PEFT counts them as they are without that.
    count = getattr(model, "get_nb_trainable_parameters", None)
    total = count()[1] if count else sum(each.numel() for each in model.parameters())
    return {"trainable": trainable, "total": total, "share": trainable / total}


def _result(trainer: Any, curves: dict[str, list[dict[str, float]]]) -> dict[str, Any]:  # noqa: ANN401
    state = trainer.state
    result: dict[str, Any] = {"steps": state.global_step, "epochs": round(state.epoch or 0.0, 3)}
    losses = [each["loss"] for each in curves["train"] if "loss" in each]
    held_out = [each["loss"] for each in curves["eval"] if "loss" in each]
    if losses:
        result["train_loss"] = losses[-1]
    if held_out:
        result |= {"eval_loss_before": held_out[0], "eval_loss": held_out[-1]}
    if state.best_model_checkpoint:
        result |= {"best_step": state.best_global_step, "eval_loss": state.best_metric}
        result["stopped_early"] = state.global_step < state.max_steps
    return result


def _last(entries: list[dict[str, float]], name: str) -> float:
    return next((each[name] for each in reversed(entries) if name in each), 0.0)


def last_checkpoint(folder: Path) -> Path | None:
    """Returns the newest whole checkpoint; half of one, of a killed run, is removed."""
    if not folder.is_dir():
        return None
    found = [each for each in folder.iterdir() if each.name.startswith("checkpoint-")]
    for each in sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True):
        if _whole(each):
            return each
        shutil.rmtree(each, ignore_errors=True)
    return None


def _whole(folder: Path) -> bool:
    import json

    try:
        json.loads((folder / "trainer_state.json").read_bytes())
    except (OSError, ValueError):
        return False
    names = ("optimizer.pt", "scheduler.pt")
    return all((folder / name).is_file() for name in names) and any(folder.glob("rng_state*.pth"))


class quiet(AbstractContextManager[None]):
    """Keeps bars and notes of the libraries away; what matters is said by us."""

    def __enter__(self) -> None:
        import logging

        import transformers

        import datasets

        self._level = transformers.logging.get_verbosity()
        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        datasets.disable_progress_bars()
        names = ("trl", "accelerate", "peft", "bitsandbytes")
        self._loggers = [logging.getLogger(name) for name in names]
        self._levels = [each.level for each in self._loggers]
        for each in self._loggers:
            each.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        import transformers

        import datasets

        transformers.logging.set_verbosity(self._level)
        transformers.utils.logging.enable_progress_bar()
        datasets.enable_progress_bars()
        for each, level in zip(self._loggers, self._levels, strict=True):
            each.setLevel(level)
