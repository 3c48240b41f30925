import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from datakit.errors import InputError
from tests.benchmarks.shapes import config
from trainers.memory.estimate import MARGIN, Plan, estimate, free_memory, guard
from trainers.memory.parameters import shape

pytest.importorskip("torch")
pytest.importorskip("transformers")

ROOT = Path(__file__).resolve().parents[3]
QLORA = Plan(quantize="nf4", max_length=2048, optimizer="paged_adamw_8bit")


@pytest.fixture(scope="module")
def llama():
    return shape(config("llama-3-8b"))


@pytest.fixture(scope="module")
def tiny():
    return shape(config("tiny"))


@pytest.mark.parametrize("name", ["llama-3-8b", "qwen2-7b"])
def test_qlora_of_a_large_model_fits_a_small_gpu(name):
    told = estimate(config(name), QLORA)
    assert 5.5e9 < told.total < 10e9
    assert told.total == sum(told.parts.values())


def test_the_parts_of_qlora(llama):
    told = estimate(llama, QLORA)
    assert told.weights == llama.linear / 2 + 2 * (llama.total - llama.linear)
    # 8 bits for 64 weights, and 32 for 256 of those.
    assert told.quantisation == pytest.approx(llama.linear / 64 * (1 + 4 / 256), rel=1e-6)
    assert told.adapters == told.gradients == 2 * 41_943_040
    assert told.optimizer == pytest.approx(2 * 41_943_040, rel=0.02)
    assert told.activations == 2048 * 4096 * (32 * 2 + 4 + 2)


def test_optimizers(tiny):
    def optimizer(name, **more):
        return estimate(tiny, Plan(optimizer=name, **more)).optimizer

    trained = sum(tiny.trained())
    assert optimizer("adamw_torch") == optimizer("paged_adamw_32bit") == 8 * trained
    assert optimizer("sgd") == 0
    assert 2 * trained < optimizer("adamw_8bit") == optimizer("paged_adamw_8bit") < 3 * trained
    assert optimizer("adamw_torch", quantize="nf4") == 4 * trained
    assert optimizer("adamw_torch", lora="none", weights="fp32") == 8 * tiny.total


PLANS = [
    Plan(),
    Plan(checkpointing=False),
    Plan(attention="eager", checkpointing=False),
    Plan(lora="dora", weights="fp32", device="cpu"),
    Plan(lora="none", loss="full"),
    Plan(quantize="nf4", sequences=2, reference=True),
    Plan(autocast=False, lora_dropout=0.1, loss="none"),
]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(
    "more",
    [
        {"batch": 3},
        {"max_length": 1500},
        {"lora_r": 64},
        {"sequences": 4},
        {"loss": "full", "batch": 8, "max_length": 4096},
    ],
)
def test_more_never_needs_less(tiny, plan, more):
    small, large = estimate(tiny, plan), estimate(tiny, replace(plan, **more))
    assert all(
        large.parts[name] >= size for name, size in small.parts.items() if name != "workspace"
    )
    assert large.total >= small.total


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(
    "less",
    [
        {"checkpointing": True},
        {"loss": "none"},
        {"attention": "sdpa"},
        {"optimizer": "sgd"},
        {"padded": False},
        {"lora_dropout": 0.0},
    ],
)
def test_savings_save(tiny, plan, less):
    assert estimate(tiny, replace(plan, **less)).total <= estimate(tiny, plan).total


def test_all_logits_take_what_their_vocabulary_does(llama):
    full = estimate(llama, replace(QLORA, loss="full")).logits
    assert full == 2048 * 128_256 * 14
    assert estimate(llama, QLORA).logits < full / 15


def test_a_reference_of_full_fine_tuning_is_a_second_model(tiny):
    once, twice = (estimate(tiny, Plan(lora="none", reference=each)) for each in (False, True))
    assert twice.weights == 2 * once.weights


def refused(told, free):
    with pytest.raises(InputError) as caught:
        guard(told, free, what="model")
    return str(caught.value)


def proposed(text, plan):
    """The plans that an error's lines name."""
    found = []
    for line in text.partition("least harm first:\n")[2].splitlines():
        words = line.strip().partition(":")[0]
        named = dict(each.split("=") for each in words.split(", "))
        changed = {
            name: {"on": True, "off": False}.get(value, int(value) if value.isdigit() else value)
            for name, value in named.items()
        }
        found.append(replace(plan, **changed))
    return found


@pytest.mark.parametrize("free", [22e9, 14e9, 9e9])
@pytest.mark.parametrize(
    "plan",
    [
        Plan(batch=8, max_length=4096, checkpointing=False),
        Plan(batch=6, max_length=2048, attention="eager", quantize="nf4"),
        Plan(lora="none", batch=4),
        Plan(lora="none", device="cpu", loss="full"),
    ],
)
def test_every_proposal_fits(llama, plan, free):
    text = refused(estimate(llama, plan), int(free))
    found = proposed(text, plan)
    assert found
    for each in found:
        told = estimate(llama, each)
        assert told.needed <= free
        guard(told, int(free))
        assert each.batch * each.accumulate == plan.batch * plan.accumulate


def test_the_least_harm_comes_first(llama):
    plan = Plan(quantize="nf4", batch=8, max_length=4096, checkpointing=False)
    found = proposed(refused(estimate(llama, plan), int(30e9)), plan)
    assert found[0] == replace(plan, checkpointing=True)
    assert found[1] == replace(plan, max_length=256)


def test_the_error_names_the_parts_and_the_price(llama):
    plan = Plan(max_length=2048)
    text = refused(estimate(llama, plan), 10_000_000_000)
    assert text.startswith("model: does not fit into memory. It takes about ")
    assert "10.00 GB are free." in text
    assert "  weights          16.06 GB" in text
    assert "quantize=nf4" in text and "(the base is rounded to 4 bits)" in text


def test_changes_that_do_not_help_are_not_proposed(llama):
    """The weights alone are too much: only 4 bits help, and nothing else is asked for."""
    plan = Plan(max_length=2048)
    (only,) = proposed(refused(estimate(llama, plan), 10_000_000_000), plan)
    assert only == replace(plan, quantize="nf4")


def test_nothing_fits(llama):
    text = refused(estimate(llama, Plan()), 1_000_000_000)
    assert text.endswith("Use a smaller model, or a device with more memory.")


def test_what_fits_passes(tiny):
    told = estimate(tiny, Plan())
    assert told.needed == round(told.total * (1 + MARGIN))
    guard(told, told.needed)
    refused(told, told.needed - 1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"lora": "qlora"}, "lora: 'qlora' is not one of lora, rslora, dora, lora\\+, none"),
        ({"batch": 0}, "batch: 0 is below 1"),
        ({"lora_dropout": 1.0}, "lora_dropout: 1.0 is not from 0 to below 1"),
        ({"lora": "none", "quantize": "nf4"}, "trains only through an adapter"),
    ],
)
def test_wrong_plans(wrong, says):
    with pytest.raises(InputError, match=says):
        Plan(**wrong)


def machine(root, available, *groups, path="/"):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable: {available} kB\n")
    (root / "proc/self/cgroup").write_text(f"0::{path}\n")
    for name, most, now, cached in groups:
        folder = root / "sys/fs/cgroup" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(f"{most}\n")
        (folder / "memory.current").write_text(f"{now}\n")
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")
    return root


def test_free_is_the_machines_or_the_groups(tmp_path):
    assert free_memory("cpu", root=machine(tmp_path / "a", 100)) == 102_400
    limited = machine(tmp_path / "b", 100, ("", 50_000, 30_000, 4_000))
    assert free_memory("cpu", root=limited) == 24_000
    unlimited = machine(tmp_path / "c", 100, ("", "max", 30_000, 0))
    assert free_memory("cpu", root=unlimited) == 102_400


def test_a_group_above_counts_too(tmp_path):
    groups = ("job", 20_000, 5_000, 0), ("job/task", 90_000, 5_000, 0)
    assert free_memory("cpu", root=machine(tmp_path, 100, *groups, path="/job/task")) == 15_000


def test_free_memory_here():
    assert free_memory("cpu") > 10_000_000


def test_nothing_heavy_is_imported():
    code = "import sys, trainers.memory.estimate; print({'torch', 'transformers'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "set()"


MEASURE = """
import json, sys
from tests.benchmarks.qlora_memory import measure
from tests.benchmarks.shapes import config
from trainers.memory.estimate import Plan, estimate
plan = Plan(**json.loads(sys.argv[1]))
found, told = measure(config("tiny"), plan), estimate(config("tiny"), plan)
tensors, trained = told.total - told.overhead, sum(told.shape.trained())
print(json.dumps([tensors, found.peak, found.trained, trained]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "plan",
    [
        {"weights": "fp32", "checkpointing": True, "batch": 2},
        {"weights": "fp32", "checkpointing": False},
        {"quantize": "nf4", "checkpointing": True},
        {"quantize": "nf4", "weights": "fp32", "checkpointing": False, "batch": 2},
        {"weights": "bf16", "autocast": False, "checkpointing": False, "batch": 2},
    ],
)
def test_the_estimate_against_a_real_run(plan):
    """Real steps of TRL's SFTTrainer, in a process of its own: the allocator's peak."""
    pytest.importorskip("trl")
    if "quantize" in plan:
        pytest.importorskip("bitsandbytes")
    given = {"device": "cpu", "max_length": 256, **plan}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MEASURE, json.dumps(given)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    told, peak, trained, counted = json.loads(done.stdout.splitlines()[-1])
    assert trained == counted
    assert 0.97 <= told / peak <= 1.10
