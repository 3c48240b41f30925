"""`datakit eval`, from its arguments to its table, JSON and files."""

import argparse
import json
import shutil
from dataclasses import dataclass

import pytest

from datakit.cli.main import common
from datakit.errors import DatakitError, DatakitWarning
from tests.loopback import serve
from trainers.commands.evaluate import evaluate
from trainers.evaluate.run import measure

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
    monkeypatch.setattr("trainers.evaluate.run._measured", None)
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
    assert "perplexity:data.jsonl: 4 of 4 chats scored" in told
    assert told[-1] == "base: general-choice: 144 of 144 chats scored"


@pytest.mark.model
def test_the_real_model(cli):
    ran = cli("embedded", "--task", "perplexity:data.jsonl", "--limit", 2, "--json")
    assert ran.json["tasks"][0]["scores"]["bits_per_byte"]["value"] < 5
