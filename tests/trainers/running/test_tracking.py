"""Trackers: refused before anything is spent, kept in the run's folder, and ended with the run."""

import importlib.util
import json
import os
import sys
import types
from pathlib import Path

import pytest

from datakit.errors import InputError, MissingExtraError
from trainers.running import tracking
from trainers.running.tracking import TRACKERS, check, environment

VARIABLES = ("TENSORBOARD_", "WANDB_", "TRACKIO_", "MLFLOW_")
ROWS = "".join(
    json.dumps({"instruction": f"Say {n}.", "input": "", "output": f"It is {n}."}) + "\n"
    for n in range(12)
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty current folder and no setting of the machine's user."""
    for name in [each for each in os.environ if each.startswith(VARIABLES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def variables():
    return {name: text for name, text in os.environ.items() if name.startswith(VARIABLES)}


def needs(name):
    there = importlib.util.find_spec(name) is not None
    return pytest.mark.skipif(not there, reason=f"{name} is not installed")


def test_an_unknown_tracker_is_an_error_that_guesses():
    with pytest.raises(InputError, match='there is no "wanbd"; did you mean "wandb"'):
        check(["wanbd"])
    with pytest.raises(InputError, match=", ".join(TRACKERS)):
        check(["all"])


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_that_is_not_installed_names_the_extra(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"datakit\[tracking\]"):
        check([name])


def test_a_folder_of_its_name_is_no_tracker(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    (folder / "trackio").mkdir()
    if importlib.util.find_spec("trackio").origin is not None:
        pytest.skip("trackio is installed")
    with pytest.raises(MissingExtraError):
        check(["trackio"])


def fake_wandb(monkeypatch, login):
    module = types.ModuleType("wandb")
    module.Error, module.login = type("Error", (Exception,), {}), login
    module.__spec__ = importlib.util.spec_from_loader("wandb", loader=None, origin="fake")
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_wandb_without_a_key_is_refused_and_offline_needs_none(monkeypatch):
    fake_wandb(monkeypatch, lambda prompt: False)
    with pytest.raises(InputError, match="WANDB_MODE=offline"):
        check(["wandb"])
    monkeypatch.setenv("WANDB_MODE", "offline")
    check(["wandb"])


def test_a_key_that_the_server_refuses_is_told(monkeypatch):
    def login(prompt):
        raise module.Error("API key invalid")

    module = fake_wandb(monkeypatch, login)
    with pytest.raises(InputError, match="API key invalid"):
        check(["wandb"])


def test_what_the_user_has_set_wins(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://example.org")
    found = environment(folder / "run", ["mlflow", "wandb"])
    assert "MLFLOW_TRACKING_URI" not in found
    assert found["WANDB_DIR"] == str(folder / "run" / "trackers")


def test_places_tell_no_password(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org/x")
    assert tracking.Tracked(folder, ["mlflow"]).places() == {"mlflow": "https://example.org/x"}


def test_the_environment_is_as_before_also_after_an_error(folder, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    before = variables()
    with pytest.raises(RuntimeError), tracking.Tracked(folder, TRACKERS):
        assert os.environ["TRACKIO_DIR"] == str(folder / "trackers" / "trackio")
        assert os.environ["WANDB_PROJECT"] == "mine"
        os.environ["MLFLOW_EXPERIMENT_ID"] = "1"
        raise RuntimeError
    assert variables() == before
    assert list(folder.iterdir()) == []


def test_nothing_is_set_where_nothing_is_tracked(folder):
    pytest.importorskip("transformers")
    before = variables()
    with tracking.Tracked(folder, ()) as trackers:
        assert variables() == before and trackers.places() == {}
    assert list(folder.iterdir()) == []


def trained(name, tiny_model_dir, monkeypatch, out="run"):
    pytest.importorskip("trl")
    from trainers.running.launch import fit
    from trainers.sft import SFT

    monkeypatch.setenv("SOME_API_KEY", "planted-secret")
    monkeypatch.setenv("HF_TOKEN", "hf_planted-secret")
    Path("rows.jsonl").write_text(ROWS)
    settings = SFT(steps=2, batch=2, max_length=256, lora_r=4, report_to=(name,))
    run = fit(
        settings,
        "rows.jsonl",
        model=str(tiny_model_dir),
        out=out,
        held_out_share=0.25,
        device="cpu",
    )
    assert sorted(each.name for each in Path().iterdir()) == sorted({"rows.jsonl", "run", out})
    for path in [each for each in Path(out).rglob("*") if each.is_file()]:
        assert b"planted-secret" not in path.read_bytes(), path
    return run


@needs("tensorboard")
def test_tensorboard_writes_into_the_run(tiny_model_dir, monkeypatch, capsys):
    run = trained("tensorboard", tiny_model_dir, monkeypatch)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert run.facts["trackers"] == {"tensorboard": "run/trackers/tensorboard"}
    events = EventAccumulator("run/trackers/tensorboard")
    events.Reload()
    losses = [each.value for each in events.Scalars("eval/loss")]
    assert losses == pytest.approx([each["loss"] for each in run.curves["eval"]])
    assert capsys.readouterr().out == ""


@needs("wandb")
def test_wandb_offline_writes_each_run_into_its_folder(tiny_model_dir, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_MODE", "offline")
    for out in ("run", "other"):
        run = trained("wandb", tiny_model_dir, monkeypatch, out)
        assert run.facts["trackers"] == {"wandb": f"{out}/trackers/wandb"}
        (made,) = Path(out, "trackers", "wandb").glob("offline-run-*/run-*.wandb")
        assert b"eval/loss" in made.read_bytes()
    assert capsys.readouterr().out == ""


@needs("trackio")
def test_trackio_writes_each_run_into_its_folder(tiny_model_dir, monkeypatch, capsys):
    import sqlite3

    for out in ("run", "other"):
        trained("trackio", tiny_model_dir, monkeypatch, out)
        with sqlite3.connect(f"{out}/trackers/trackio/datakit.db") as made:
            assert made.execute("select distinct run_name from metrics").fetchall() == [(out,)]
    assert capsys.readouterr().out == ""


@needs("mlflow")
def test_mlflow_writes_each_run_into_its_folder(tiny_model_dir, monkeypatch, capsys):
    import sqlite3

    for out in ("run", "other"):
        trained("mlflow", tiny_model_dir, monkeypatch, out)
        with sqlite3.connect(f"{out}/trackers/mlflow/mlflow.db") as made:
            assert made.execute("select name, status from runs").fetchall() == [(out, "FINISHED")]
            keys = {key for (key,) in made.execute("select key from metrics")}
            assert "eval_loss" in keys
    assert capsys.readouterr().out == ""
