"""A training from its data to its folder, killed and resumed, refused and recorded."""

import html
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datakit.errors import InputError
from datakit.record import Record
from trainers import models
from trainers.qlora import QLoRA
from trainers.running.checkpoints import last_checkpoint
from trainers.running.job import Ear
from trainers.running.launch import fit
from trainers.running.run import Run
from trainers.sft import SFT

WORDS = ("boats", "ferries", "mills", "goods", "rivers", "lines", "prices", "answers")
RECORDS = [
    Record(f"How many {word} are there?", output=f"There are {at} {word}.", id=f"r{at}")
    for at, word in enumerate(WORDS)
]
QUICK = SFT(steps=6, batch=2, save_every=2, lora_r=4, lora_alpha=8)


def trained(folder, tiny_model_dir, settings=QUICK, **more):
    return fit(settings, RECORDS, model=str(tiny_model_dir), out=folder, device="cpu", **more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny_model_dir):
    """A run that nothing interrupted, with held-out data."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return trained(folder, tiny_model_dir, held_out_share=0.25)


def test_the_record_says_what_was_done(whole):
    facts = json.loads((whole.path / "run.json").read_text())
    assert facts["status"] == "done" and facts["method"] == "sft"
    assert facts["result"]["steps"] == 6
    assert facts["result"]["eval_loss_before"] > 0
    assert facts["data"]["train"]["records"] + facts["data"]["held_out"]["records"] == 8
    assert facts["gate"]["used"] == facts["data"]["train"]["records"]
    assert [each["step"] for each in facts["curves"]["train"]] == [1, 2, 3, 4, 5, 6]
    assert [each["step"] for each in facts["curves"]["eval"]] == [0, 6]
    assert facts["parameters"]["trainable"] > 0 and facts["cost"]["tokens"] > 0
    assert facts["files"] == {
        "adapter_model.safetensors": whole.weights["adapter_model.safetensors"]
    }
    assert (whole.path / "run.html").read_text().startswith("<!doctype html>")
    assert not [path for path in whole.path.iterdir() if path.name.startswith(".")]


def test_the_folder_is_a_model(whole, tiny_model_dir):
    ref = models.resolve(str(whole.path))
    assert ref.kind == "adapter" and ref.path == str(tiny_model_dir)
    model = models.load_model(ref, device="cpu")
    assert not model.training
    assert models.load_tokenizer(ref).chat_template


def test_losses_are_there_without_reading_the_record(whole, tmp_path, tiny_model_dir):
    assert whole.loss == whole.curves["train"][-1]["loss"]
    assert whole.held_out_loss == whole.curves["eval"][-1]["loss"]
    assert whole.warnings == []
    (tmp_path / "run.json").write_text('{"status": "running", "method": "sft"}')
    begun = Run(tmp_path)
    assert begun.loss is None and begun.held_out_loss is None


def test_every_file_has_the_usual_rights(whole):
    mask = os.umask(0o077)
    os.umask(mask)
    files = [path for path in whole.path.rglob("*") if path.is_file()]
    weights = [path for path in files if path.suffix == ".safetensors"]
    assert len(weights) == 3  # of the run and of two checkpoints
    assert {oct(path.stat().st_mode & 0o777) for path in weights} == {oct(0o666 & ~mask)}


def test_training_and_evaluations_have_times_of_their_own(whole):
    cost = whole.facts["cost"]
    assert cost["evaluate_seconds"] > 0 and cost["cpu_seconds"] > 0
    assert cost["train_seconds"] + cost["evaluate_seconds"] <= cost["seconds"] + 0.2


@pytest.mark.parametrize("steps", [4, 401])
def test_each_step_is_told_with_its_own_loss(steps, tmp_path, tiny_model_dir):
    lines = []
    ear = Ear(progress=lambda text, last: lines.append((text, last)))
    settings = SFT(steps=steps, batch=1, lora_r=2, save_every=steps)
    run = trained(tmp_path / "run", tiny_model_dir, settings, ear=ear)
    logged = {entry["step"]: f"{entry['loss']:.3f}" for entry in run.curves["train"]}
    assert steps in logged
    for step, loss in logged.items():
        own = [text for text, _ in lines if text.startswith(f"step {step}/{steps} ")]
        assert own and all(f"loss {loss}" in text and "at step" not in text for text in own)
    assert [last for _, last in lines].count(True) == 1 and lines[-1][1]


def test_evaluations_are_told_row_by_row(tmp_path, tiny_model_dir):
    lines = []
    ear = Ear(progress=lambda text, last: lines.append(text))
    settings = SFT(steps=2, batch=1, lora_r=2, evaluate_every=1)
    trained(tmp_path / "run", tiny_model_dir, settings, held_out_share=0.25, ear=ear)
    assert [text for text in lines if text.startswith("held-out")] == [
        f"held-out {row}/2 at step {step}/2" for step in (0, 1, 2) for row in (1, 2)
    ]


def test_a_training_that_came_apart_is_no_success(tmp_path, tiny_model_dir):
    settings = SFT(steps=6, batch=2, lora_r=4)
    # Higher than settings may say.
    object.__setattr__(settings, "learning_rate", 1e9)
    run = trained(tmp_path / "run", tiny_model_dir, settings, held_out_share=0.25)
    (warning,) = run.facts["warnings"]
    assert run.done and warning.startswith("The training came apart")
    assert "the gradient was exactly 0" in warning and "1e+09" in warning
    lines = run.summary()
    assert f"warning: {warning}" in lines
    assert not any("datakit eval" in line or "datakit chat" in line for line in lines)
    assert warning in html.unescape((run.path / "run.html").read_text())
    assert "came apart" in (run.path / "README.md").read_text()


def test_the_user_s_warnings_are_theirs_again(tmp_path, tiny_model_dir, recwarn):
    import warnings

    before = list(warnings.filters)
    trained(tmp_path / "run", tiny_model_dir, SFT(steps=1, batch=1, lora_r=2))
    assert warnings.filters == before
    warnings.simplefilter("always")
    warnings.warn("mine", FutureWarning, stacklevel=1)
    assert [str(each.message) for each in recwarn if each.category is FutureWarning] == ["mine"]


def test_the_same_seed_is_the_same_adapter_and_another_is_not(tmp_path, tiny_model_dir):
    one = trained(tmp_path / "a", tiny_model_dir)
    two = trained(tmp_path / "b", tiny_model_dir)
    other = trained(
        tmp_path / "c",
        tiny_model_dir,
        SFT(steps=6, batch=2, save_every=2, lora_r=4, lora_alpha=8, seed=1),
    )
    assert one.weights == two.weights != other.weights


KILLED = """
import os, signal, sys
from trainers.running.launch import Ear, fit
sys.path.insert(0, {tests!r})
from tests.trainers.running.test_launch import QUICK, RECORDS
def progress(text, last):
    if text.startswith("step {step}/"):
        os.kill(os.getpid(), signal.SIGKILL)
fit(QUICK, RECORDS, model={model!r}, out={out!r}, device="cpu", ear=Ear(progress=progress))
"""


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_killed_training_goes_on_to_the_same_adapter(step, tmp_path, tiny_model_dir):
    reference = trained(tmp_path / "whole", tiny_model_dir)
    out = tmp_path / "killed"
    code = KILLED.format(
        step=step, tests=str(Path(__file__).parents[3]), model=str(tiny_model_dir), out=str(out)
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    with pytest.raises(InputError, match="--resume goes on with it"):
        trained(out, tiny_model_dir)
    with pytest.raises(InputError, match="training is not finished"):
        models.resolve(str(out))
    resumed = trained(out, tiny_model_dir, resume=True)
    assert resumed.weights == reference.weights
    losses = [[each["loss"] for each in run.curves["train"]] for run in (reference, resumed)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "settings",
    [
        QLoRA(steps=6, batch=2, save_every=2, lora_r=4),
        SFT(steps=6, batch=2, save_every=2, lora_r=4, lora="dora"),
        SFT(steps=6, batch=2, save_every=2, lora_r=4, lora="lora+"),
        SFT(steps=6, batch=2, save_every=2, lora="none"),
        SFT(steps=6, batch=2, save_every=2, lora_r=4, packing=True, max_length=128),
    ],
    ids=["nf4", "dora", "lora+", "full", "packed"],
)
def test_every_kind_of_training_goes_on_to_the_same_weights(settings, tmp_path, tiny_model_dir):
    reference = trained(tmp_path / "whole", tiny_model_dir, settings)

    class _PowerCut(Exception):
        pass

    def progress(text, last):
        if text.startswith("step 3/"):
            raise _PowerCut

    with pytest.raises(_PowerCut):
        trained(tmp_path / "cut", tiny_model_dir, settings, ear=Ear(progress=progress))
    resumed = trained(tmp_path / "cut", tiny_model_dir, settings, resume=True)
    assert resumed.weights == reference.weights


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.05 * at for at in range(8)])
def test_a_training_killed_at_any_moment_goes_on_to_the_same_adapter(
    wait, tmp_path, tiny_model_dir
):
    reference = trained(tmp_path / "whole", tiny_model_dir)
    out = tmp_path / "killed"
    code = KILLED.format(
        step=99, tests=str(Path(__file__).parents[3]), model=str(tiny_model_dir), out=str(out)
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], stderr=subprocess.DEVNULL
    )
    while not (out / "run.json").exists() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(wait)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert trained(out, tiny_model_dir, resume=True).weights == reference.weights


def test_half_a_checkpoint_is_not_gone_on_from(tmp_path):
    for number in (2, 4):
        folder = tmp_path / f"checkpoint-{number}"
        folder.mkdir()
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            (folder / name).write_bytes(b"x")
        (folder / "trainer_state.json").write_text("{}")
    assert last_checkpoint(tmp_path).name == "checkpoint-4"
    (tmp_path / "checkpoint-4" / "trainer_state.json").write_text('{"half')
    (tmp_path / "checkpoint-best").mkdir()
    assert last_checkpoint(tmp_path).name == "checkpoint-2"
    # Nothing is removed: it may be of a kind that is only not known here.
    assert (tmp_path / "checkpoint-4").exists()


def test_resume_of_a_done_training_does_nothing(whole, tiny_model_dir):
    was = (whole.path / "run.json").stat().st_mtime_ns
    again = trained(whole.path, tiny_model_dir, held_out_share=0.25, resume=True)
    assert again.done and (whole.path / "run.json").stat().st_mtime_ns == was


def test_resume_refuses_another_training(whole, tiny_model_dir):
    other = SFT(steps=7, batch=2, save_every=2, lora_r=4, lora_alpha=8, learning_rate=1e-3)
    shown = []
    ear = Ear(say=shown.append, table=lambda title, rows: shown.append(title))
    with pytest.raises(InputError, match="changed since it began") as caught:
        trained(whole.path, tiny_model_dir, other, held_out_share=0.25, resume=True, ear=ear)
    assert "  --steps: 6 -> 7\n" in str(caught.value)
    assert "  --learning-rate: 0.0 -> 0.001\n" in str(caught.value)
    assert "--lora-r" not in str(caught.value) and shown == []


def test_resume_with_other_data_says_so_before_any_table(whole, tiny_model_dir):
    shown = []
    ear = Ear(say=shown.append, table=lambda title, rows: shown.append(title))
    with pytest.raises(InputError, match="changed since it began") as caught:
        fit(
            QUICK,
            RECORDS[1:],
            model=str(tiny_model_dir),
            out=whole.path,
            held_out_share=0.25,
            device="cpu",
            resume=True,
            ear=ear,
        )
    assert "data.train.records: 6 -> 5" in str(caught.value) and shown == []


def test_a_folder_that_is_taken_is_left_alone(whole, tmp_path, tiny_model_dir):
    with pytest.raises(InputError, match="is not empty"):
        trained(whole.path, tiny_model_dir)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        trained(tmp_path / "file", tiny_model_dir)
    with pytest.raises(InputError, match="no training to go on with"):
        trained(tmp_path, tiny_model_dir, resume=True)


def test_what_is_left_out_is_listed(tmp_path, tiny_model_dir):
    records = [*RECORDS, Record("Long?", output="word " * 200, id="long"), Record("Empty?", id="e")]
    settings = SFT(steps=1, batch=2, max_length=100, long="drop", unusable="drop", lora_r=4)
    run = fit(settings, records, model=str(tiny_model_dir), out=tmp_path / "run", device="cpu")
    rows = [json.loads(line) for line in (run.path / "dropped.jsonl").open()]
    assert {row["id"]: row["dropped"]["reason"] for row in rows} == {
        "long": "too_long",
        "e": "empty_output",
    }
    assert run.facts["gate"]["rows"] == run.facts["gate"]["used"] + len(rows)


def test_nothing_is_written_where_the_gate_stops(tmp_path, tiny_model_dir):
    records = [Record("Long?", output="word " * 200, id="long")]
    with pytest.raises(InputError, match="--long cut"):
        fit(
            SFT(max_length=64),
            records,
            model=str(tiny_model_dir),
            out=tmp_path / "run",
            device="cpu",
        )
    assert not (tmp_path / "run").exists()


def test_training_goes_on_from_an_adapter(whole, tmp_path, tiny_model_dir):
    settings = SFT(steps=1, batch=2)
    run = fit(settings, RECORDS, model=str(whole.path), out=tmp_path / "more", device="cpu")
    assert run.facts["model"]["adapter"] == whole.weights
    ref = models.resolve(str(run.path))
    assert ref.path == str(tiny_model_dir)
    assert run.weights != whole.weights


def test_full_fine_tuning_leaves_a_whole_model(tmp_path, tiny_model_dir):
    run = trained(tmp_path / "full", tiny_model_dir, SFT(steps=1, batch=2, lora="none"))
    assert models.resolve(str(run.path)).kind == "folder"
    assert "model.safetensors" in run.weights
    assert run.facts["parameters"]["share"] == 1


def test_early_stopping_keeps_the_best(tmp_path, tiny_model_dir):
    # A learning rate that changes nothing: no evaluation is better than the first.
    settings = SFT(
        steps=12,
        batch=2,
        evaluate_every=2,
        patience=2,
        lora_r=4,
        learning_rate=1e-12,
        schedule="constant",
    )
    run = trained(tmp_path / "run", tiny_model_dir, settings, held_out_share=0.25)
    assert run.facts["result"]["steps"] < 12 and run.facts["result"]["stopped_early"]
    evals = {each["step"]: each["loss"] for each in run.curves["eval"]}
    assert run.facts["result"]["eval_loss"] == evals[run.facts["result"]["best_step"]]


def test_a_loss_that_is_no_number_ends_the_training(tmp_path, tiny_model_dir):
    settings = SFT(steps=20, batch=2, schedule="constant", warmup=0.0, lora_r=4)
    # Higher than settings may say.
    object.__setattr__(settings, "learning_rate", 1e30)
    with pytest.raises(InputError, match="Lower --learning-rate"):
        trained(tmp_path / "run", tiny_model_dir, settings)
    assert Run(tmp_path / "run").facts["status"] == "failed"


def test_a_full_disk_is_told_plainly(tmp_path, tiny_model_dir, monkeypatch):
    import torch

    def full(*_, **__):
        raise OSError(28, "No space left on device", "optimizer.pt")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match="no space is left for a checkpoint"):
        trained(tmp_path / "run", tiny_model_dir)


def test_rows_longer_than_the_model_s_context_are_refused(tmp_path, tiny_model_dir):
    records = [Record("Long?", output="word " * 600, id="long")]
    with pytest.raises(InputError, match="was made for at most 512"):
        fit(
            SFT(max_length=4096),
            records,
            model=str(tiny_model_dir),
            out=tmp_path / "r",
            device="cpu",
        )


@pytest.mark.slow
def test_two_processes_train_one_adapter(tmp_path, tiny_model_dir):
    """As `accelerate launch` starts them: through torchrun."""
    data, out = tmp_path / "data.jsonl", tmp_path / "run"
    data.write_bytes(b"".join(record.to_line() for record in RECORDS))
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    words = ["-m", "trainers.commands.train", "sft", str(data), "--model", str(tiny_model_dir)]
    words += ["--steps", "3", "--batch", "2", "--lora-r", "4", "-o", str(out), "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, *launch, *words], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-2000:]
    run = Run(out)
    assert run.done and run.facts["cost"]["rows"] == 12
    assert done.stdout.count("next   datakit eval") == 1
    assert models.resolve(str(out)).kind == "adapter"


def test_the_card_is_ours_and_marks_nothing_up(whole):
    text = (whole.path / "README.md").read_text()
    assert "More Information Needed" not in text
    assert whole.facts["model"]["sha256"] in text


@pytest.mark.parametrize(
    ("settings", "device", "says"),
    [
        (SFT(steps=1), "cuda", "torch sees no GPU here"),
        (SFT(steps=1, optimizer="adamw_troch"), "cpu", 'did you mean "adamw_torch"'),
    ],
)
def test_what_this_machine_cannot_do_is_told_before_anything(
    settings, device, says, tmp_path, tiny_model_dir
):
    import torch

    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match=says):
        fit(settings, RECORDS, model=str(tiny_model_dir), out=tmp_path / "r", device=device)
    assert not (tmp_path / "r").exists()


def test_a_tokenizer_of_another_model_is_told(tmp_path, tiny_model_dir):
    import shutil

    shutil.copytree(tiny_model_dir, tmp_path / "m")
    tokenizer = models.load_tokenizer(models.resolve(str(tmp_path / "m")))
    tokenizer.add_tokens([f"<new{at}>" for at in range(8)])
    tokenizer.save_pretrained(tmp_path / "m")
    with pytest.raises(InputError, match="do not belong together"):
        fit(QUICK, RECORDS, model=str(tmp_path / "m"), out=tmp_path / "r", device="cpu")


def test_an_epoch_of_packed_rows_is_an_epoch(tmp_path, tiny_model_dir):
    settings = SFT(epochs=1, batch=1, packing=True, max_length=256, lora_r=4)
    run = trained(tmp_path / "run", tiny_model_dir, settings)
    assert run.facts["result"]["epochs"] == 1
    assert run.facts["result"]["steps"] < len(RECORDS)


def test_the_memory_of_packed_rows_is_that_of_a_pack(tmp_path, tiny_model_dir):
    def needed(**more):
        settings = SFT(steps=1, batch=2, lora_r=4, max_length=512, **more)
        run = trained(tmp_path / str(len(more)), tiny_model_dir, settings)
        return dict(map(tuple, run.facts["memory"]))["in all"]

    assert needed(packing=True) != needed()


def test_held_out_records_are_kept_and_do_not_depend_on_the_seed(tmp_path, tiny_model_dir):
    found = []
    for seed in (0, 1):
        settings = SFT(steps=1, batch=2, lora_r=4, seed=seed)
        run = trained(tmp_path / str(seed), tiny_model_dir, settings, held_out_share=0.25)
        found.append((run.path / "held_out.jsonl").read_bytes())
    assert found[0] == found[1] and found[0].count(b"\n") == 2


def test_what_is_trained_on_is_not_held_out(tmp_path, tiny_model_dir):
    with pytest.raises(InputError, match="2 of 2 held-out records are trained on too"):
        trained(tmp_path / "run", tiny_model_dir, held_out=RECORDS[:2])
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        trained(tmp_path / "run", tiny_model_dir, held_out_share=1)
    with pytest.raises(InputError, match="--patience"):
        trained(tmp_path / "run", tiny_model_dir, SFT(patience=1, evaluate_every=1))
    assert not (tmp_path / "run").exists()


def test_the_template_s_text_is_part_of_a_training(tmp_path, tiny_model_dir):
    template = tmp_path / "t.jinja"
    template.write_text(models.load_tokenizer(models.resolve(str(tiny_model_dir))).chat_template)
    settings = SFT(steps=2, batch=2, lora_r=4, template=str(template))

    class _PowerCutError(Exception):
        pass

    def progress(text, last):
        raise _PowerCutError

    with pytest.raises(_PowerCutError):
        trained(tmp_path / "run", tiny_model_dir, settings, ear=Ear(progress=progress))
    template.write_text("{# changed #}" + template.read_text())
    with pytest.raises(InputError, match="changed since"):
        trained(tmp_path / "run", tiny_model_dir, settings, resume=True)


def test_one_training_at_a_time(tmp_path, tiny_model_dir):
    from trainers.running.claim import Claim

    busy = pytest.raises(InputError, match="another training writes there")
    with Claim(tmp_path / "run", resume=False), busy:
        trained(tmp_path / "run", tiny_model_dir)
    assert not (tmp_path / "run").exists()


def test_an_adapter_is_found_with_its_base_from_anywhere(tmp_path, tiny_model_dir, monkeypatch):
    import shutil

    shutil.copytree(tiny_model_dir, tmp_path / "base" / "model")
    monkeypatch.chdir(tmp_path)
    fit(SFT(steps=1, lora_r=4), RECORDS, model="base/model", out="run", device="cpu")
    monkeypatch.chdir("/")
    ref = models.resolve(str(tmp_path / "run"))
    assert Path(ref.path) == tmp_path / "base" / "model"
    shutil.move(tmp_path / "base", tmp_path / "gone")
    # `base/model` looks like a name on the hub, and must not become one.
    with pytest.raises(InputError, match="is not there any more"):
        models.resolve(str(tmp_path / "run"))


def test_figures_that_are_no_numbers_are_null_in_json(tmp_path):
    from trainers.running.run import write_json

    write_json(tmp_path / "x.json", {"a": [float("nan"), 1.0], "b": float("inf")})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [None, 1.0], "b": None}
