"""A training that passed the gate: its model, its trainer, its folder."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainers.compute import measured
from trainers.models import ModelRef
from trainers.running import health, run
from trainers.running.card import card
from trainers.running.checkpoints import FOLDER, last_checkpoint
from trainers.running.ear import Ear
from trainers.running.methods import Method
from trainers.running.reading import Rows
from trainers.running.run import RUN_FILE, Clock, Run
from trainers.running.tracking import Tracked
from trainers.settings import Settings

__all__ = ["Ear", "Job", "parameters"]


@dataclass
class Job:
    """A training that passed the gate; see `trainers.running.launch.fit`."""

    settings: Settings
    method: Method
    ref: ModelRef
    tokenizer: Any
    rows: Rows
    held_out: Rows | None
    folder: Path
    device: str
    facts: dict[str, Any]
    ear: Ear

    def run(self, *, resume: bool) -> Run:
        """Trains, saves and records."""
        if resume and (self.folder / RUN_FILE).is_file() and Run(self.folder).done:
            self.ear.say(f"{self.folder}: the training is done already.")
            return Run(self.folder)
        self._clock = Clock()
        with Tracked(self.folder, self.settings.report_to) as trackers:
            trainer = self._trainer()
            trackers.follow(trainer)
            if trainer.is_world_process_zero():
                self._write_records()
            checkpoint = last_checkpoint(self.folder / FOLDER) if resume else None
            if checkpoint:
                self.ear.say(f"going on from {checkpoint.name}")
            self._train(trainer, checkpoint)
            self.facts["trackers"] = trackers.places()
            self._save(trainer)
        self.facts |= {"status": "done", "finished": run.now()}
        self.facts["cost"] = self._cost(trainer)
        if trainer.is_world_process_zero():
            self._write()
            self._page()
        return Run(self.folder)

    def _trainer(self) -> Any:  # noqa: ANN401  a TRL trainer
        from transformers import set_seed

        set_seed(self.settings.seed)
        model = self.method.load(self.settings, self.ref, self.device)
        devices = int(os.environ.get("WORLD_SIZE", "1"))
        steps = self.settings.total_steps(len(self.rows.items), devices)
        built = self.settings(  # type: ignore[operator]
            model,
            self.tokenizer,
            self.rows.items,
            self.held_out.items if self.held_out else None,
            folder=self.folder / FOLDER,
            device=self.device,
            steps=steps,
        )
        trainer = self._in_steps(built, devices)
        self.facts["used"]["steps"] = trainer.args.max_steps
        self._add_callbacks(trainer)
        self.facts["parameters"] = parameters(trainer.model)
        keep_types(trainer)
        return trainer

    def _add_callbacks(self, trainer: Any) -> None:  # noqa: ANN401
        from transformers import EarlyStoppingCallback, PrinterCallback

        from trainers.running.progress import Progress
        from trainers.running.watching import LogLast, OnSave, StopOnNaN

        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(LogLast())
        trainer.add_callback(StopOnNaN(self.settings.rate))
        self._progress = Progress(self.ear)
        if trainer.is_world_process_zero():
            for each in trainer.callback_handler.callbacks:
                if hasattr(each, "tell"):
                    each.tell = lambda text: self.ear.progress(text, False)
            trainer.add_callback(self._progress)
            trainer.add_callback(OnSave(self._saved))
        if self.settings.patience:
            trainer.add_callback(EarlyStoppingCallback(self.settings.patience))

    def _in_steps(self, trainer: Any, devices: int) -> Any:  # noqa: ANN401
        """Counts an epoch by what the trainer has: packing makes fewer rows of many."""
        rows = len(trainer.train_dataset)
        if rows != len(self.rows.items):
            steps = self.settings.total_steps(rows, devices)
            held_out = self.held_out is not None
            made = self.settings.arguments(total_steps=steps, device=self.device, held_out=held_out)
            for name in ("max_steps", "warmup_steps", "eval_steps", "save_steps", "logging_steps"):
                setattr(trainer.args, name, made[name])
        return trainer

    def _saved(self) -> None:
        """Keeps how long the training took so far, for one that is killed and resumed."""
        newest = last_checkpoint(self.folder / FOLDER)
        if newest is not None:
            run.readable(newest)
        self._write(self._seconds())

    def _seconds(self) -> dict[str, float]:
        """Returns how long it took so far, with what it took before it was resumed."""
        before = self.facts.get("elapsed", {})
        now = {**self._clock.seconds(), **self._progress.seconds()}
        return {name: round(value + before.get(name, 0.0), 3) for name, value in now.items()}

    def _train(self, trainer: Any, checkpoint: Path | None) -> None:  # noqa: ANN401
        from trainers.running.watching import curves, plainly

        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except Exception as error:
            self.facts |= {"status": "failed", "curves": curves(trainer.state.log_history)}
            plain = plainly(error, self.settings)
            self.facts["error"] = str(plain or error)
            if trainer.is_world_process_zero():
                self._write()
                self._page()
            if plain is not None:
                raise plain from error
            raise
        self.facts["curves"] = curves(trainer.state.log_history)
        self.facts["result"] = _result(trainer, self.facts["curves"])
        self.facts["warnings"] = self._warnings()
        for each in trainer.callback_handler.callbacks:
            self.facts |= getattr(each, "facts", dict)()

    def _warnings(self) -> list[str]:
        of_chats = self.method.wants == "chat"
        result = self.facts["result"]
        return health.warnings(
            self.facts["curves"],
            tokens=len(self.tokenizer) if of_chats else None,
            rate=self.settings.rate,
            best=result["eval_loss"] if "best_step" in result else None,
        )

    def _save(self, trainer: Any) -> None:  # noqa: ANN401
        """Moves the weights in beside run.json, which then says that they are whole."""
        draft = self.folder / ".saving"
        self.method.save(trainer, self.tokenizer, draft)
        if not trainer.is_world_process_zero():
            return
        # The weights first: a folder without its configuration is taken for no model.
        for path in sorted(draft.iterdir(), key=lambda each: each.suffix != ".safetensors"):
            # PEFT's card is an empty form; ours is written from run.json.
            if path.name not in ("training_args.bin", "README.md"):
                os.replace(path, self.folder / path.name)
        shutil.rmtree(draft)
        run.readable(self.folder)
        self.facts["files"] = run.weight_files(self.folder)
        self.facts["file_bytes"] = {
            name: (self.folder / name).stat().st_size for name in self.facts["files"]
        }

    def _cost(self, trainer: Any) -> dict[str, Any]:  # noqa: ANN401
        state = trainer.state
        seconds = self._seconds()
        self.facts.pop("elapsed", None)
        tokens = int(_summed(self.facts["curves"]["train"], "num_tokens"))
        return {
            **seconds,
            "rows": state.global_step
            * self.settings.batch
            * self.settings.accumulate
            * trainer.args.world_size,
            "tokens": tokens,
            "flops": float(state.total_flos or 0.0),
            **measured(
                self.method.name,
                parameters=self.facts["parameters"]["total"],
                tokens=tokens,
                adapters=self.settings.lora != "none",
            ),
        }

    def _write_records(self) -> None:
        """Writes what is left out, and what of the data is held out."""
        step = f"train.{self.method.name}"
        if self.rows.gate.dropped:
            with open(self.folder / "dropped.jsonl", "w", encoding="utf-8") as file:
                for name, reason in self.rows.gate.dropped:
                    row = {"id": name, "dropped": {"step": step, "reason": reason}}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
        if self.held_out is not None and "share" in self.held_out.source:
            lines = (each.to_line() for each in self.held_out.records)
            (self.folder / "held_out.jsonl").write_bytes(b"".join(lines))

    def _write(self, elapsed: dict[str, float] | None = None) -> None:
        more = {} if elapsed is None else {"elapsed": elapsed}
        run.write_json(self.folder / RUN_FILE, self.facts | more)

    def _page(self) -> None:
        from trainers.page.page import render

        (self.folder / "README.md").write_text(card(self.facts), encoding="utf-8")
        (self.folder / "run.html").write_text(render(self.facts), encoding="utf-8")


def keep_types(trainer: Any) -> None:  # noqa: ANN401  a TRL trainer
    """Lets a resumed training have its adapter in the format that it began with.

    TRL lowers the adapter of a 4-bit model to bfloat16; PEFT loads it from a checkpoint as float32,
    and a resumed run would end in other weights.
    """
    own = {n: p.dtype for n, p in trainer.model.named_parameters() if p.requires_grad}
    load = trainer._load_from_checkpoint

    def loaded(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        load(*args, **kwargs)
        for name, parameter in trainer.model.named_parameters():
            if name in own:
                parameter.data = parameter.data.to(own[name])

    trainer._load_from_checkpoint = loaded


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


def _summed(entries: list[dict[str, float]], name: str) -> float:
    """Returns the end of a count that begins anew when a run is resumed, over all its parts."""
    total = last = 0.0
    for each in entries:
        value = each.get(name, last)
        total += last if value < last else 0.0
        last = value
    return total + last
