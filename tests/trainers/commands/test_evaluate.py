"""`datakit eval`, from its arguments to its table, JSON and files."""

import argparse
import json
import shutil
import sys
import warnings
from dataclasses import dataclass

import pytest

from datakit.cli.main import common, main
from datakit.errors import DatakitError, DatakitWarning, InputError
from tests.loopback import serve
from trainers.commands.evaluate import _fitting, evaluate
from trainers.evaluate import TaskOptions
from trainers.evaluate.progress import Lasting
from trainers.evaluate.run import Interrupted, measure

ROWS = [
    ("How many boats are there?", "There are 12 boats."),
    ("Say yes.", "Yes."),
    ("What does the river do?", "It runs past the old mill."),
    ("And the goods?", "SELECT price FROM goods;"),
]


@dataclass
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str
    problems: tuple[str, ...] = ()

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Runs `datakit eval` with some words, in a folder with data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    rows = [{"id": f"r{at}", "instruction": a, "output": b} for at, (a, b) in enumerate(ROWS)]
    pairs = [{**row, "rejected": "Perhaps."} for row in rows]
    for name, listed in (("data", rows), ("pairs", pairs)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in listed))

    def run(*words):
        parser = argparse.ArgumentParser()
        evaluate.configure(parser)
        common(parser)
        capsys.readouterr()
        try:
            # In bfloat16, each new shape of a batch costs the tiny model more than its work.
            words = [str(word) for word in words] + ["--dtype", "float32"]
            code = evaluate.run(parser.parse_args(words))
        except DatakitError as error:
            return Ran(error.exit_code, capsys.readouterr().out, "", error.problems)
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def local():
    pytest.importorskip("torch")
    pytest.importorskip("peft")


def test_a_model_alone(cli, local, tiny_model_dir):
    ran = cli(tiny_model_dir, "--task", "perplexity:data.jsonl", "--json")
    assert ran.code == 0 and ran.err == ""
    assert ran.json.keys() == {"model", "dtype", "tasks"}
    (task,) = ran.json["tasks"]
    assert (task["task"], task["n"]) == ("perplexity:data.jsonl", 4)
    assert task["scores"].keys() == {"perplexity", "nll", "bits_per_byte"}
    for each in task["scores"].values():
        assert 0 <= each["low"] <= each["value"] <= each["high"] or each["low"] < 0


def test_an_adapter_has_base_lift_and_general(cli, local, tiny_adapter_dir, tiny_model_dir):
    words = ["--task", "perplexity:data.jsonl", "--task", "preference:pairs.jsonl"]
    words += ["--items", "items.jsonl", "--json"]
    found = cli(tiny_adapter_dir, *words).json
    assert found["base"] == str(tiny_model_dir)
    likely, pairs = found["tasks"]
    lift = likely["scores"]["nll"]["value"] - likely["base"]["nll"]["value"]
    assert likely["lift"]["nll"]["value"] == pytest.approx(lift)
    alone = cli(tiny_model_dir, *words).json["tasks"][0]
    assert likely["base"]["nll"]["value"] == pytest.approx(alone["scores"]["nll"]["value"])
    assert {"reward_accuracy", "margin"} <= pairs["scores"].keys()
    assert pairs["lift"].keys() == {
        "accuracy",
        "accuracy_per_token",
        "chosen_logp",
        "rejected_logp",
    }
    general = found["general"]
    assert general["n"] == {"nll": 72, "choice accuracy": 36}
    assert general["lift"]["nll"]["low"] < general["lift"]["nll"]["high"]


def test_items_are_written(cli, local, tiny_adapter_dir, tmp_path):
    words = ["--task", "perplexity:data.jsonl", "--items", "items.jsonl", "--no-general"]
    assert cli(tiny_adapter_dir, *words, "--limit", 3).code == 0
    rows = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["r0", "r1", "r2"]
    assert rows[0].keys() == {"task", "id", "scores", "answer", "base"}
    assert rows[0]["scores"].keys() == {"nll", "bits_per_byte"}
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "data.jsonl",
        "items.jsonl",
        "pairs.jsonl",
    ]


def test_the_table(cli, local, tiny_adapter_dir):
    words = ["--task", "match:data.jsonl", "--max-new-tokens", 4]
    lines = cli(tiny_adapter_dir, *words).out.splitlines()
    assert lines[0].split("  ")[0] == "task" and lines[0].endswith("difference")
    assert lines[1].startswith("match:data.jsonl  exact   0.000  [0.000, 0.490]  4  0.000")
    assert lines[-2].startswith("General set: nll ")
    assert lines[-1].startswith("General set: choice accuracy ")
    lines = cli(tiny_adapter_dir, *words, "--no-base", "--no-general").out.splitlines()
    assert lines[0].split() == ["task", "metric", "value", "95", "%", "interval", "n"]
    assert len(lines) == 2


def test_a_trained_folder_knows_its_base(cli, local, tiny_model_dir, tmp_path):
    trained = tmp_path / "trained"
    shutil.copytree(tiny_model_dir, trained)
    (trained / "run.json").write_text(json.dumps({"model": {"base": str(tiny_model_dir)}}))
    words = ["--task", "perplexity:data.jsonl", "--limit", 2, "--json"]
    found = cli(trained, *words).json
    assert found["base"] == str(tiny_model_dir)
    assert found["tasks"][0]["lift"]["nll"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["general"]["lost"] is False
    assert "general" not in cli(trained, *words, "--no-general").json
    (trained / "run.json").write_text(json.dumps({"model": {"base": "no/such/model/here"}}))
    with pytest.warns(DatakitWarning, match="its base, no/such/model/here, is not there; --base"):
        ran = cli(trained, *words[:-1])
    assert ran.code == 0 and "General set" not in ran.out


def without_template(tiny_model_dir, folder):
    """A base model, and what a full training with a template makes of it."""
    base, trained = folder / "base", folder / "trained"
    shutil.copytree(tiny_model_dir, base)
    (base / "chat_template.jinja").unlink()
    shutil.copytree(tiny_model_dir, trained)
    (trained / "run.json").write_text(json.dumps({"model": {"base": str(base)}}))
    return base, trained


def test_a_base_without_a_template_is_asked_by_that_of_the_training(
    cli, local, tiny_model_dir, tmp_path
):
    base, trained = without_template(tiny_model_dir, tmp_path)
    words = ["--task", "perplexity:data.jsonl", "--limit", 2, "--json", "--no-general"]
    found = cli(trained, *words).json
    assert found["base"] == str(base)
    assert found["tasks"][0]["lift"]["nll"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert cli(trained, *words, "--base", base).json == found


def test_a_base_that_cannot_be_opened_is_told_before_the_first_task(
    cli, local, tiny_model_dir, tmp_path, monkeypatch
):
    base, trained = without_template(tiny_model_dir, tmp_path)
    monkeypatch.setattr("trainers.evaluate.tally._measured", None)
    words = ["--task", "perplexity:data.jsonl", "--no-general"]
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (base / name).unlink()
    ran = cli(trained, *words)
    assert ran.code == 2 and str(base) in ran.problems[0]
    config = json.loads((base / "config.json").read_text())
    config["architectures"] = ["LlamaForSequenceClassification"]
    (base / "config.json").write_text(json.dumps(config))
    assert "is a reward model" in cli(trained, *words).problems[0]


def test_secrets_of_a_url_are_not_told(cli):
    ran = cli("http://127.0.0.1:9/v1?key=s3cret#m", "--task", "match:data.jsonl")
    assert ran.code == 2 and "s3cret" not in str(ran)
    assert "http://127.0.0.1:9/v1#m: leave out what stands after the ?" in str(ran)


def test_another_base(cli, local, tiny_model_dir, tiny_adapter_dir):
    words = ["--task", "perplexity:data.jsonl", "--json", "--no-general"]
    found = cli(tiny_model_dir, *words, "--base", tiny_adapter_dir).json
    assert found["base"] == str(tiny_adapter_dir)
    assert found["tasks"][0]["lift"]["nll"]["value"] != 0


def test_a_server(cli, tmp_path):
    with serve() as server:
        ran = cli(f"{server.url}#m", "--task", "match:data.jsonl", "--json", "--items", "i.jsonl")
    assert ran.code == 0
    assert ran.json["tasks"][0]["scores"]["exact"]["value"] == 0.0
    assert ran.json["dtype"] is None and "general" not in ran.json
    rows = [json.loads(line) for line in (tmp_path / "i.jsonl").read_text().splitlines()]
    assert all(row["answer"] for row in rows)


def test_nothing_is_written_if_the_server_fails(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("trainers.evaluate.served._RETRIES", 0)
    with serve() as server:
        url = server.url
    ran = cli(f"{url}#m", "--task", "match:data.jsonl", "--items", "i.jsonl")
    assert (ran.code, ran.out) == (4, "") and "does not answer" in ran.problems[0]
    assert not (tmp_path / "i.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--limit", "0"], "--limit: must be a whole number of at least 1, not 0."),
        (["--batch", "-3"], "--batch: must be a whole number of at least 1, not -3."),
        (["--max-new-tokens", "0"], "--max-new-tokens: must be a whole number of at least 1"),
        (["--items", "."], "--items .: is a folder; name a file in it."),
        (["--items", "no/i.jsonl"], "--items no/i.jsonl: there is no folder no. Make it first."),
        (["--base", "embedded", "--no-base"], "--base and --no-base: give one of them."),
        (["--task", "mtch:x"], 'there is no task "mtch"; did you mean "match"?'),
        (["--task", "perplexity:data.jsonl"], "which a server does not tell"),
        (["--base", "no_such_model"], "no_such_model: there is no such model"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_sent(cli, words, says):
    # Nothing listens there: a request would be exit 4.
    ran = cli("http://127.0.0.1:9/v1#m", "--task", "match:data.jsonl", *words)
    assert (ran.code, ran.out) == (2, "") and any(says in text for text in ran.problems)


def test_a_notebook_has_the_same(cli, local, tiny_adapter_dir, tiny_model_dir):
    told = []
    found = measure(
        str(tiny_adapter_dir),
        ["perplexity:data.jsonl"],
        compare=False,
        dtype="float32",
        note=told.append,
    )
    words = ["--task", "perplexity:data.jsonl", "--no-base", "--json"]
    assert cli(tiny_adapter_dir, *words).json == json.loads(json.dumps(found.to_json()))
    assert found.base == str(tiny_model_dir) and found.forgetting is not None
    assert found.outcomes[0].base is None
    assert told[0] == f"loading {tiny_adapter_dir}"
    assert "task 1/5   item 4/4   perplexity:data.jsonl" in told
    assert told[-1] == "task 5/5   base   item 36/36   general-choice"
    assert told.index("task 2/5   item 72/72   general") < told.index(
        "task 3/5   base   item 72/72   general"
    )
    (said,) = (each for each in told if isinstance(each, Lasting))
    assert "--no-general leaves it out" in said and told.index(said) == 2
    # It can be one task, and what holds for all tasks can be said at once.
    short = measure(
        str(tiny_adapter_dir),
        "perplexity:data.jsonl",
        limit=2,
        options=TaskOptions(limit=3, max_new_tokens=4),
        dtype="float32",
    )
    assert short.outcomes[0].scores["nll"].n == 2
    assert short.to_json()["general"]["n"] == {"nll": 2, "choice accuracy": 2}
    assert short.rows()[0]["items"] == 2


def test_a_notebook_is_told_what_is_wrong(cli, tiny_model_dir):
    with pytest.raises(InputError) as error:
        measure("no_such_model", "mtch:x", limit=0, device="gpu")
    assert [each.partition(":")[0] for each in error.value.problems] == [
        "--limit",
        "--device",
        "no_such_model",
        "--task mtch",
    ]


def test_libraries_are_quiet_in_a_notebook(cli, local, tiny_model_dir, monkeypatch, capsys):
    from transformers.utils import logging

    from trainers.evaluate.local import LocalSubject

    sums, seen = LocalSubject._sums, []

    def loud(self, rows):
        warnings.warn("is deprecated", FutureWarning, stacklevel=1)
        seen.append(logging.is_progress_bar_enabled())
        return sums(self, rows)

    monkeypatch.setattr(LocalSubject, "_sums", loud)
    measure(str(tiny_model_dir), "perplexity:data.jsonl", dtype="float32")
    assert seen == [False] and logging.is_progress_bar_enabled()
    assert capsys.readouterr() == ("", "")


def test_a_limit_holds_for_the_general_set_too(cli, local, tiny_adapter_dir):
    words = ["--task", "perplexity:data.jsonl", "--limit", 3]
    ran = cli(tiny_adapter_dir, *words)
    assert "General set (first 3 items): nll " in ran.out
    # Said in a line of its own, which progress does not paint over.
    (said,) = (line for line in ran.err.splitlines() if "general set" in line)
    assert said.startswith("Next the general set, to see what was forgotten: 3 answers and 3")
    assert "--no-general leaves it out" in said
    assert "general set" not in cli(tiny_adapter_dir, *words, "--no-general").err


@pytest.fixture
def stopped(local, tiny_adapter_dir, monkeypatch, cli, capsys):
    """Runs `datakit eval` until answers are to be written, where Ctrl-C is pressed."""

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("trainers.evaluate.local.LocalSubject.generate", stop)

    def run(*words):
        capsys.readouterr()
        given = ["eval", str(tiny_adapter_dir), *words, "--items", "i.jsonl"]
        code = main([*given, "--dtype", "float32"])
        return Ran(code, *capsys.readouterr())

    return run


TWO = ["--task", "perplexity:data.jsonl", "--task", "match:data.jsonl"]


def test_what_was_finished_is_told_and_written_after_ctrl_c(stopped, tmp_path):
    ran = stopped(*TWO)
    assert ran.code == 130
    assert ran.err.splitlines()[-1] == "Interrupted." and "Traceback" not in ran.err
    lines = ran.out.splitlines()
    assert lines[2].startswith("perplexity:data.jsonl  nll") and len(lines) == 5
    assert lines[2].endswith("]") and lines[0].endswith("difference")
    assert lines[-1] == "Not finished: match:data.jsonl; the general set."
    rows = [json.loads(line) for line in (tmp_path / "i.jsonl").read_text().splitlines()]
    assert [(row["task"], row["interrupted"]) for row in rows] == [(TWO[1], True)] * 4
    told = stopped(*TWO, "--json").json
    assert [each["task"] for each in told["tasks"]] == [TWO[1]]
    assert told["interrupted"] is True
    assert told["unfinished"] == ["match:data.jsonl", "the general set"]


def test_after_ctrl_c_in_the_first_task_there_is_nothing_to_tell(stopped, tmp_path):
    ran = stopped(*TWO[2:], "--json")
    assert (ran.code, ran.out, ran.err) == (130, "", "Interrupted.\n")
    assert not (tmp_path / "i.jsonl").exists()


def test_ctrl_c_in_a_notebook_has_what_was_finished(stopped, tiny_adapter_dir):
    with pytest.raises(KeyboardInterrupt) as stop:
        measure(str(tiny_adapter_dir), TWO[1::2], general=False, dtype="float32")
    assert isinstance(stop.value, Interrupted)
    assert [each.task for each in stop.value.found.outcomes] == [TWO[1]]
    assert stop.value.found.unfinished == ("match:data.jsonl",)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["m", "--task", "match:nosuch.jsonl"], "nosuch.jsonl: there is no such file"),
        (["m", "--task", "mtch:data.jsonl"], 'there is no task "mtch"; did you mean "match"?'),
        (["n", "--task", "match:data.jsonl"], "n: there is no such model"),
        (["m", "--task", "match:data.jsonl", "--base", "n"], "n: there is no such model"),
        (["m", "--task", "match:data.jsonl", "--items", "x" * 300], "x: cannot be written: "),
        (["m", "--task", "lm-eval:arc", "--task", "match:nosuch.jsonl"], "nosuch.jsonl: there is"),
    ],
)
def test_what_is_cheap_to_see_is_told_before_torch_is_there(
    cli, tmp_path, monkeypatch, words, says
):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    for name in ("torch", "transformers", "datasets", "lm_eval"):
        monkeypatch.setitem(sys.modules, name, None)
    ran = cli(*words)
    assert ran.code == 2 and len(ran.problems) == 1 and says in ran.problems[0]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["data.jsonl", "m", "pairs.jsonl"]


def test_a_gpu_that_is_not_there_is_told_before_the_model_is_opened(
    cli, local, tiny_model_dir, monkeypatch
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("trainers.evaluate.run.open_subject", None)
    ran = cli(tiny_model_dir, "--task", "perplexity:data.jsonl", "--device", "cuda")
    assert ran.code == 2
    assert "--device cuda: torch sees no GPU here. Use --device cpu" in ran.problems[0]


def test_servers_are_reached_before_the_first_task(cli, monkeypatch):
    monkeypatch.setattr("trainers.evaluate.served._RETRIES", 0)
    with serve() as gone:
        base = gone.url
    with serve() as server:
        ran = cli(f"{server.url}#m", "--task", "match:data.jsonl", "--base", f"{base}#b")
        assert (ran.code, ran.out) == (4, "")
        assert f"{base} does not answer: nothing listens on port" in ran.problems[0]
        # One token, to see whether it is there; none of the questions.
        assert [each["sent"]["max_tokens"] for each in server.answered()] == [1]
    ran = cli(f"{server.url}#m", "--task", "match:data.jsonl", "--base", f"{base}#b")
    assert [server.url in ran.problems[0], base in ran.problems[1]] == [True, True]


def test_a_line_of_progress_is_one_line_on_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = "task 1/2   item 3/4   9 s left   match:a_long_name.jsonl"
    assert _fitting(text) == text[:38] + "\u2026"
    assert _fitting(text[:39]) == text[:39]


@pytest.mark.model
def test_the_real_model(cli):
    ran = cli("embedded", "--task", "perplexity:data.jsonl", "--limit", 2, "--json")
    assert ran.json["tasks"][0]["scores"]["bits_per_byte"]["value"] < 5
