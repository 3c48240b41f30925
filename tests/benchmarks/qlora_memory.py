"""Peak memory of QLoRA, measured against the estimate: `python -m tests.benchmarks.qlora_memory`.

The models have the true shapes of public ones and random weights, so nothing is downloaded. Each
layer is made on the device and put into NF4 there before the next one, and trained by TRL's
SFTTrainer, as a real run is. Without a GPU only the estimates are printed; `--shape tiny` trains
on the CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Run as a file, Python looks beside it, not in the project's folder.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.shapes import SHAPES, config
from trainers.memory.estimate import Estimate, Plan, estimate, free_memory, guard
from trainers.memory.parameters import parameters, shape, skeleton

HEAD = (
    "| model | trained | adapter | estimate | peak | reserved | estimate / peak | tokens/s |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass
class Measured:
    """What a run took: bytes, parameters, and tokens a second after the first step."""

    peak: int
    reserved: int | None
    trained: int
    adapter: int
    speed: float


def measure(model_config: Any, plan: Plan, *, steps: int = 3) -> Measured:
    """Trains some steps on a model of random weights; returns what it took.

    The peak is that of PyTorch's allocator: on a GPU as it tells, on a CPU as the profiler counts
    it from before the model is made.
    """
    with _meter(plan.device) as meter:
        trainer = _trainer(build(model_config, plan), plan, steps)
        clock = _clock(trainer)
        trainer.train()
        chosen = [each for each in trainer.model.parameters() if each.requires_grad]
        with tempfile.TemporaryDirectory() as folder:
            trainer.model.save_pretrained(folder)
            adapter = sum(each.stat().st_size for each in Path(folder).glob("*.safetensors"))
    seconds = clock[-1] - clock[0]
    return Measured(
        peak=meter["peak"],
        reserved=meter.get("reserved"),
        trained=sum(each.numel() for each in chosen),
        adapter=adapter,
        speed=plan.tokens * plan.accumulate * (len(clock) - 1) / seconds if seconds else 0.0,
    )


def build(model_config: Any, plan: Plan) -> Any:
    """Makes a model of random weights on the device, one layer's 16-bit weights at a time."""
    import torch
    from torch import nn

    dtype = torch.float32 if plan.weights == "fp32" else torch.bfloat16
    model = skeleton(model_config)
    model.set_attn_implementation(
        "flash_attention_2" if plan.attention == "flash" else plan.attention
    )
    if plan.quantize == "nf4":
        for matrix in shape(model).matrices:
            model.set_submodule(matrix.name, _linear4bit(model.get_submodule(matrix.name), plan))
        model.is_loaded_in_4bit = True
    made: dict[int, nn.Parameter] = {}
    for module in list(model.modules()):
        for name, weight in module.named_parameters(recurse=False):
            if weight.is_meta:
                fresh = torch.empty(weight.shape, dtype=dtype, device=plan.device)
                fresh = fresh.fill_(1.0) if weight.dim() == 1 else fresh.normal_(0, 0.02)
                # Tied weights stay one.
                tied = made.setdefault(id(weight), nn.Parameter(fresh))
                setattr(module, name, tied)
    for name, module in list(model.named_modules()):
        if any(each.is_meta for each in module.buffers(recurse=False)):
            # Of rotary embeddings: computed from the configuration, not stored.
            model.set_submodule(name, type(module)(config=model.config).to(plan.device))
    return model


def _linear4bit(linear: Any, plan: Plan) -> Any:
    import bitsandbytes as bnb
    import torch

    made = bnb.nn.Linear4bit(
        linear.in_features,
        linear.out_features,
        bias=linear.bias is not None,
        compute_dtype=torch.bfloat16,
        device="meta",
    )
    weight = torch.empty(
        linear.out_features, linear.in_features, dtype=torch.bfloat16, device=plan.device
    ).normal_(0, 0.02)
    made.weight = bnb.nn.Params4bit(
        weight, requires_grad=False, quant_type="nf4", compress_statistics=plan.double_quant
    ).to(plan.device)
    return made


def _trainer(model: Any, plan: Plan, steps: int) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    words = {"<pad>": 0, "<eos>": 1, "<unk>": 2}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<unk>")),
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
    )
    # In each batch one row is shorter, so that there is padding as in a real one.
    ids = [
        [3 + (row * 7 + place * 13) % 1000 for place in range(plan.max_length - (row % plan.batch))]
        for row in range(plan.batch * plan.accumulate * steps)
    ]
    arguments = SFTConfig(
        output_dir=tempfile.gettempdir(),
        max_steps=steps,
        per_device_train_batch_size=plan.batch,
        gradient_accumulation_steps=plan.accumulate,
        gradient_checkpointing=plan.checkpointing,
        max_length=plan.max_length,
        optim=plan.optimizer,
        bf16=plan.autocast,
        use_cpu=plan.device == "cpu",
        dataloader_pin_memory=plan.device != "cpu",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    adapter = LoraConfig(
        r=plan.lora_r,
        lora_alpha=2 * plan.lora_r,
        lora_dropout=plan.lora_dropout,
        target_modules="all-linear",
        use_dora=plan.lora == "dora",
        task_type="CAUSAL_LM",
    )
    return SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([{"input_ids": row, "labels": row} for row in ids]),
        processing_class=tokenizer,
        peft_config=None if plan.full else adapter,
    )


def _clock(trainer: Any) -> list[float]:
    """Returns a list that gets the time at the end of each step."""
    from transformers import TrainerCallback

    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    trainer.add_callback(Clock())
    return ends


@contextlib.contextmanager
def _meter(device: str) -> Iterator[dict[str, int]]:
    """Counts the allocator's peak, in bytes, while it is open."""
    import torch

    found: dict[str, int] = {}
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        yield found
        torch.cuda.synchronize()
        found["peak"] = torch.cuda.max_memory_allocated()
        found["reserved"] = torch.cuda.max_memory_reserved()
        return
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        yield found
    found["peak"] = max(_allocated(profile.profiler.kineto_results.experimental_event_tree()))


def _allocated(events: Any) -> Iterator[int]:
    import torch

    allocation = torch._C._profiler._EventType.Allocation
    waiting = list(events)
    while waiting:
        event = waiting.pop()
        waiting += event.children
        if event.typed[0] == allocation:
            yield event.typed[1].total_allocated


def row(name: str, told: Estimate, found: Measured | None) -> str:
    """Returns a line of the table, with dashes where nothing was measured."""
    table = parameters(
        told.shape,
        lora=told.plan.lora,
        r=told.plan.lora_r,
        saved_as="bf16" if told.plan.quantize == "nf4" else "fp32",
    )
    # On a GPU the libraries' room comes from PyTorch's allocator as well.
    total = told.total - (told.overhead if told.plan.device == "cpu" else 0)
    cells = [name, f"{table.trainable:,} ({table.share:.2%})", f"{table.saved / 1e6:.1f} MB"]
    if found is None:
        return "| " + " | ".join([*cells, f"{total / 1e9:.2f} GB", *["-"] * 4]) + " |"
    reserved = "-" if found.reserved is None else f"{found.reserved / 1e9:.2f} GB"
    cells[1] = f"{found.trained:,} ({table.share:.2%})"
    cells[2] = f"{found.adapter / 1e6:.1f} MB"
    cells += [f"{total / 1e9:.2f} GB", f"{found.peak / 1e9:.2f} GB", reserved]
    return "| " + " | ".join([*cells, f"{total / found.peak:.2f}", f"{found.speed:,.0f}"]) + " |"


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--shape", action="append", choices=SHAPES, help="may be given again")
    parser.add_argument("--length", type=int, default=0, help="tokens; 2048, tiny 128")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--quantize", choices=("nf4", "none"), default="nf4")
    parser.add_argument("--optimizer", default="paged_adamw_8bit")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    """Prints the table; returns the exit code."""
    import torch

    args = _arguments(given)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    gpu = torch.cuda.is_available()
    names = args.shape or ["llama-3-8b", "qwen2-7b"]
    lines = []
    for name in names:
        here = gpu or name == "tiny"
        plan = Plan(
            quantize=args.quantize,
            optimizer=args.optimizer,
            batch=args.batch,
            max_length=args.length or (128 if name == "tiny" else 2048),
            device="cuda" if gpu or not here else "cpu",
        )
        if plan.device == "cpu":
            plan = replace(plan, optimizer="adamw_torch")
        told = estimate(config(name), plan)
        if here:
            guard(told, free_memory(plan.device), what=name)
        lines.append(
            row(name, told, measure(config(name), plan, steps=args.steps) if here else None)
        )
    if gpu:
        print(f"Measured on {torch.cuda.get_device_name()}, PyTorch {torch.__version__}.\n")
    elif names == ["tiny"]:
        print(f"Measured on the CPU (PyTorch's allocator), PyTorch {torch.__version__}.\n")
    else:
        print("No GPU: nothing was measured but `tiny`; these are estimates for a GPU alone.\n")
    print(HEAD)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
