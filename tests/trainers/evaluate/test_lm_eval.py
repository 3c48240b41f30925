import importlib.util
import json
import sys
from types import SimpleNamespace

import pytest

from datakit.errors import InputError, MissingExtraError
from trainers.evaluate import TaskOptions, lm_eval, parse_task

TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {data}}}
test_split: train
output_type: {output}
doc_to_text: "{{{{question}}}}"
doc_to_target: "{target}"
metric_list: [{{metric: {metric}}}]
metadata: {{version: 1.0}}
"""
ROWS = [
    {"question": "Capital of France?", "choices": ["Rome", "Paris"], "label": 1},
    {"question": "Capital of Italy?", "choices": ["Rome", "Paris", "Oslo"], "label": 0},
    {"question": "Capital of Norway?", "choices": ["Rome", "Oslo"], "label": 1},
]
# A mark, not importorskip: a fixture of the session would be made before that is asked.
HERE = all(map(importlib.util.find_spec, ("lm_eval", "torch", "transformers", "datasets")))
REAL = pytest.mark.skipif(not HERE, reason="needs the extra lm-eval")


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())


def test_without_the_harness_its_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"'lm_eval'.*datakit\[lm-eval\]"):
        parse_task("lm-eval:arc_easy")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("argument", ["a,", ",a", "@folder", "a@"])
def test_a_name_is_needed(argument):
    with pytest.raises(InputError, match="write lm-eval:NAME"):
        parse_task(f"lm-eval:{argument}")


@pytest.mark.usefixtures("installed")
def test_a_folder_must_be_there(tmp_path):
    with pytest.raises(InputError, match="none is not a folder"):
        parse_task(f"lm-eval:a@{tmp_path}/none")


class Loaded:
    """A task of the harness, as far as it is looked at before a run."""

    OUTPUT_TYPE = "generate_until"

    def __init__(self, items=3, **more):
        self.eval_docs = [None] * items
        self.config = {"num_fewshot": None}
        self.__dict__.update(more)

    def get_config(self, key):
        return self.config[key]

    def set_config(self, key, value, update=False):
        self.config[key] = value

    def set_fewshot_seed(self, seed):
        self.config["seed"] = seed


@pytest.fixture
def manager(monkeypatch, installed):
    made = SimpleNamespace(all_tasks=["capitals", "rivers"], tasks={"capitals": Loaded()})
    made.load = lambda names: {"tasks": made.tasks}
    monkeypatch.setattr(lm_eval, "_manager", lambda names, folder: made)
    return made


def test_a_loaded_task_is_set_as_the_harness_sets_it(manager):
    manager.tasks["rivers"] = Loaded(1)
    task = parse_task("lm-eval:capitals,rivers", TaskOptions(limit=2, max_new_tokens=5))
    assert (len(task), task.text) == (3, "lm-eval:capitals,rivers")
    assert manager.tasks["rivers"].config == {
        "num_fewshot": 0,
        "seed": 1234,
        "generation_kwargs": {"max_gen_toks": 5},
    }
    assert len(parse_task("lm-eval:capitals,rivers")) == 4


def test_an_unknown_task_is_told_with_the_nearest(manager):
    with pytest.raises(InputError, match='has no task "capitls"; did you mean "capitals"'):
        parse_task("lm-eval:capitls")


def test_data_out_of_reach_is_told_plainly(manager):
    def load(names):
        raise ConnectionError("Couldn't reach\nthe Hub.")

    manager.load = load
    text = r"data cannot be loaded .*hub.*: ConnectionError: Couldn't reach the Hub\.$"
    with pytest.raises(InputError, match=text):
        parse_task("lm-eval:capitals")


@pytest.mark.parametrize(("mark", "text"), [("UNSAFE_CODE", "code"), ("MULTIMODAL", "pictures")])
def test_some_tasks_are_refused(manager, mark, text):
    manager.tasks["capitals"] = Loaded(**{mark: True})
    with pytest.raises(InputError, match=text):
        parse_task("lm-eval:capitals")


def test_a_server_is_refused_tasks_of_likelihood_before_any_task_is_run(manager):
    assert len(parse_task("lm-eval:capitals", served=True)) == 3
    manager.tasks["capitals"] = Loaded(OUTPUT_TYPE="multiple_choice")
    assert len(parse_task("lm-eval:capitals")) == 3
    with pytest.raises(InputError, match="lm-eval:capitals: needs the likelihood"):
        parse_task("lm-eval:capitals", served=True)


def test_what_the_harness_says_stays_off_the_terminal(capsys):
    with lm_eval._quiet():
        sys.stderr.write("bar")
        sys.stdout.write("banner")
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    data = tmp_path / "capitals.json"
    data.write_text(json.dumps(ROWS))
    for name, output, target, metric in (
        ("capitals", "multiple_choice", "{{label}}", "acc"),
        ("say", "generate_until", "{{choices[label]}}", "exact_match"),
        ("read", "loglikelihood_rolling", "{{question}}", "bits_per_byte"),
    ):
        text = TASK.format(name=name, data=data, output=output, target=target, metric=metric)
        if output == "multiple_choice":
            text += 'doc_to_choice: "{{choices}}"\n'
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


@pytest.fixture
def local(tiny_model_dir, tiny_tokenizer):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    return SimpleNamespace(name="tiny", model=model, tokenizer=tiny_tokenizer)


def likeliest(model, tokenizer, row):
    """Returns the choice with the highest summed log-likelihood, computed on its own."""
    import torch

    asked = [{"role": "user", "content": row["question"]}]
    prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    sums = []
    for choice in row["choices"]:
        start = tokenizer(prompt, add_special_tokens=False).input_ids
        rest = tokenizer(choice, add_special_tokens=False).input_ids
        with torch.no_grad():
            logits = model(torch.tensor([start + rest])).logits[0, len(start) - 1 : -1]
        odds = logits.log_softmax(-1)
        sums.append(sum(odds[at, token].item() for at, token in enumerate(rest)))
    return max(range(len(sums)), key=sums.__getitem__)


@pytest.mark.model
@REAL
def test_the_real_harness_chooses_as_we_do(folder, local, capsys):
    task = parse_task(f"lm-eval:capitals@{folder}")
    assert len(task) == 3
    told = []
    items = task.run(local, told.append)
    right = [likeliest(local.model, local.tokenizer, row) == row["label"] for row in ROWS]
    assert items.scores["acc"] == tuple(map(float, right))
    assert items.ids == ("capitals:0", "capitals:1", "capitals:2")
    assert items.answers is None
    assert told == [f"lm-eval:capitals@{folder}: 3 items of capitals"]
    # The same task measures several models, each from the start.
    assert task.run(local, told.append) == items
    assert capsys.readouterr() == ("", "")


@pytest.mark.model
@REAL
def test_the_real_harness_generates_and_reads(folder, local):
    task = parse_task(f"lm-eval:say@{folder}", TaskOptions(limit=2, max_new_tokens=4))
    items = task.run(local, lambda text: None)
    assert len(task) == len(items.ids) == len(items.answers) == 2
    assert set(items.scores) == {"exact_match"}
    read = parse_task(f"lm-eval:read@{folder}").run(local, lambda text: None)
    assert min(read.scores["bits_per_byte"]) > 0
    assert read.weights["bits_per_byte"] == tuple(float(len(row["question"])) for row in ROWS)


@pytest.mark.model
@REAL
def test_the_real_harness_asks_a_server(folder):
    class Server:
        name = "served"

        def generate(self, prompts, *, max_new_tokens=256):
            assert prompts[0] == [{"role": "user", "content": "Capital of France?"}]
            return ["Paris", "Lyon", "Oslo"]

    items = parse_task(f"lm-eval:say@{folder}").run(Server(), lambda text: None)
    assert items.scores["exact_match"] == (1.0, 0.0, 1.0)
    with pytest.raises(InputError, match="likelihood"):
        parse_task(f"lm-eval:capitals@{folder}").run(Server(), lambda text: None)
