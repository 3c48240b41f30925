"""What every training has in common: how long, how fast, with which adapter."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from datakit.errors import InputError
from datakit.step import validated

__all__ = ["Settings", "lora_config"]

# Far more than anything that ends; what is written with a digit too many is told before the work.
_Rows = Annotated[int, Meta(ge=1, le=65_536)]
_Steps = Annotated[int, Meta(ge=0, le=10**9)]
# Of a number that has no bound of its own, in any method.
_MOST = 1_000_000


@validated
class Settings:
    """Settings of any training; each method adds its own.

    Args:
        steps: Optimizer steps; 0 takes `epochs`.
        epochs: Passes over the data, where `steps` is 0.
        batch: Rows in one forward pass of one device.
        accumulate: Forward passes that make one optimizer step.
        learning_rate: Highest learning rate, up to 1; 0 takes the method's own: one for adapters,
            one for full fine-tuning.
        schedule: How the learning rate falls: `cosine`, `linear` or `constant`.
        warmup: Share of the steps in which the learning rate rises.
        weight_decay: Weight decay of AdamW.
        clip: Highest norm of a gradient.
        optimizer: `auto`, or any optimizer name of transformers, such as `adamw_torch` or
            `paged_adamw_8bit`; `auto` is paged 8-bit AdamW with NF4 on a GPU, else AdamW.
        max_length: Most tokens of a row, prompt and answer together.
        long: What becomes of longer rows: `stop` (nothing is trained), `drop` (left out, and
            listed in dropped.jsonl), `cut` (their end is lost).
        unusable: What becomes of records that are no examples: `stop` or `drop`.
        lora: The adapter: `lora` (arXiv 2106.09685), `rslora` (2312.03732), `dora` (2402.09353),
            `lora+` (2402.12354: B learns 16 times faster than A), or `none`: full fine-tuning.
        lora_r: Its rank.
        lora_alpha: Its scale, over the rank.
        lora_dropout: Its dropout.
        quantize: `nf4` holds the base in 4 bits (QLoRA, arXiv 2305.14314), or `none`.
        template: The chat template: empty is the model's own; or `chatml`, `alpaca`, or a .jinja
            file.
        checkpointing: Recompute activations to save memory: `auto` does it on a GPU.
        seed: Of initialisation, order and dropout; which rows are held out does not depend on it.
        evaluate_every: Steps between two evaluations on held-out data; 0 is before and after only.
        patience: Evaluations without a gain before the training ends; 0 never ends it. The best
            checkpoint is kept.
        save_every: Steps between checkpoints, from which --resume goes on; 0 is ten in a run.
        report_to: Trackers besides run.json: `tensorboard`, `wandb`, `trackio`, `mlflow`.
    """

    method: ClassVar[str] = "sft"
    adapter_rate: ClassVar[float] = 2e-4
    full_rate: ClassVar[float] = 2e-5

    steps: _Steps = 0
    epochs: Annotated[float, Meta(gt=0, le=10_000)] = 3.0
    batch: _Rows = 4
    accumulate: _Rows = 1
    learning_rate: Annotated[float, Meta(ge=0, le=1)] = 0.0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: Annotated[float, Meta(ge=0, lt=1)] = 0.03
    weight_decay: Annotated[float, Meta(ge=0, le=10)] = 0.0
    clip: Annotated[float, Meta(ge=1e-6, le=1e6)] = 1.0
    optimizer: str = "auto"
    max_length: Annotated[int, Meta(ge=1, le=10_000_000)] = 1024
    long: Literal["stop", "drop", "cut"] = "stop"
    unusable: Literal["stop", "drop"] = "stop"
    lora: Literal["lora", "rslora", "dora", "lora+", "none"] = "lora"
    lora_r: Annotated[int, Meta(ge=1, le=8192)] = 16
    lora_alpha: Annotated[int, Meta(ge=1, le=65_536)] = 32
    lora_dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    quantize: Literal["none", "nf4"] = "none"
    template: str = ""
    checkpointing: Literal["auto", "on", "off"] = "auto"
    # The libraries' generators take no larger one.
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
    evaluate_every: _Steps = 0
    patience: _Steps = 0
    save_every: _Steps = 0
    report_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.rules()

    def rules(self) -> None:
        """Checks what the types of the fields cannot say; raises ValueError."""
        for each in fields(self):
            value = getattr(self, each.name)
            # Written so that what is no number at all does not pass either.
            if isinstance(value, float) and not abs(value) <= _MOST:
                raise ValueError(f"{each.name}: must be a number of at most {_MOST:,}, not {value}")
        if self.quantize == "nf4" and self.lora == "none":
            raise ValueError("lora: a model in 4 bits trains only through an adapter; not `none`")
        if self.patience and not self.evaluate_every:
            raise ValueError("patience: needs evaluate_every")

    @property
    def rate(self) -> float:
        """The learning rate, the method's own where none is given."""
        return self.learning_rate or (self.full_rate if self.lora == "none" else self.adapter_rate)

    def arguments(self, *, total_steps: int, device: str, held_out: bool) -> dict[str, Any]:
        """Returns the arguments that every TRL configuration takes.

        Args:
            total_steps: Optimizer steps of the whole run.
            device: `cpu` or `cuda`.
            held_out: Whether there are held-out rows.
        """
        return {
            "max_steps": total_steps,
            "per_device_train_batch_size": self.batch,
            "per_device_eval_batch_size": self.batch,
            "gradient_accumulation_steps": self.accumulate,
            "learning_rate": self.rate,
            "lr_scheduler_type": self.schedule,
            "warmup_steps": round(self.warmup * total_steps),
            "weight_decay": self.weight_decay,
            "max_grad_norm": self.clip,
            "optim": self.optimizer_on(device),
            "seed": self.seed,
            "data_seed": self.seed,
            "use_cpu": device == "cpu",
            "bf16": computes_bf16(device),
            "gradient_checkpointing": self.checkpointing == "on"
            or (self.checkpointing == "auto" and device != "cpu"),
            "logging_steps": max(1, total_steps // 200),
            "logging_first_step": True,
            # Else a loss that is no number is shown as the mean of those before it.
            "logging_nan_inf_filter": False,
            "report_to": list(self.report_to) or "none",
            "disable_tqdm": True,
            "dataloader_pin_memory": device != "cpu",
            **self._pauses(total_steps, held_out=held_out),
        }

    def _pauses(self, total_steps: int, *, held_out: bool) -> dict[str, Any]:
        """Returns when a training stops to evaluate and to save."""
        every = self.evaluate_every or total_steps
        save = self.save_every or max(1, total_steps // 10)
        stops_early = bool(self.patience)
        return {
            "eval_strategy": "steps" if held_out else "no",
            "eval_steps": every if held_out else None,
            "eval_on_start": held_out,
            # The best checkpoint can only be found again if it was saved when it was measured.
            "save_steps": every if stops_early else save,
            "save_strategy": "steps",
            "save_total_limit": 2,
            "load_best_model_at_end": stops_early,
            "metric_for_best_model": "eval_loss" if stops_early else None,
            "greater_is_better": False if stops_early else None,
        }

    def optimizer_on(self, device: str) -> str:
        """Returns the optimizer's name, `auto` resolved."""
        if self.optimizer != "auto":
            return self.optimizer
        return "paged_adamw_8bit" if self.quantize == "nf4" and device != "cpu" else "adamw_torch"

    def total_steps(self, rows: int, devices: int = 1) -> int:
        """Returns the optimizer steps of a whole run over so many rows."""
        if self.steps:
            return self.steps
        per_epoch = max(1, -(-rows // (self.batch * self.accumulate * devices)))
        return max(1, round(self.epochs * per_epoch))


def computes_bf16(device: str) -> bool:
    """Returns whether bfloat16 is worth computing in here.

    Without the instructions for it, a CPU is several times slower in bfloat16 than in float32.
    """
    import torch

    if device != "cpu":
        return bool(torch.cuda.is_bf16_supported())
    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(check and check())


def lora_config(settings: Settings, *, task: str = "CAUSAL_LM") -> Any:  # noqa: ANN401  LoraConfig
    """Returns PEFT's configuration of the adapter, on all linear layers; None for `none`."""
    if settings.lora == "none":
        return None
    try:
        from peft import LoraConfig
    except ImportError:
        from datakit.errors import MissingExtraError

        raise MissingExtraError.of("peft", "train", "An adapter") from None
    return LoraConfig(
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules="all-linear",
        use_rslora=settings.lora == "rslora",
        use_dora=settings.lora == "dora",
        task_type=task,
    )


def optimizers(settings: Settings, model: Any, device: str) -> tuple[Any, None]:  # noqa: ANN401
    """Returns what the Trainer's `optimizers` takes: LoRA+ has its own groups, others (None, None).

    Raises:
        InputError: If LoRA+ is to run with an optimizer other than AdamW.
    """
    if settings.lora != "lora+":
        return None, None
    from peft.optimizers import create_loraplus_optimizer

    name = settings.optimizer_on(device)
    if name == "adamw_torch":
        from torch.optim import AdamW as cls
    elif name == "paged_adamw_8bit":
        from bitsandbytes.optim import PagedAdamW8bit as cls
    else:
        raise InputError(
            f"optimizer: lora+ goes with auto, adamw_torch, paged_adamw_8bit; not {name}."
        )
    made = create_loraplus_optimizer(
        model=model,
        optimizer_cls=cls,
        lr=settings.rate,
        loraplus_lr_ratio=16,
        loraplus_weight_decay=settings.weight_decay,
    )
    return made, None
