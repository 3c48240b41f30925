"""score.reward in a pipeline: ratings, what counts of a model, and what is no reward model."""

import json
import shutil
import subprocess
import sys

import pytest

import datakit
from datakit import registry
from datakit.errors import InputError
from datakit.fingerprint import identity
from datakit.record import Record
from datakit.step import Resources, StepError

pytest.importorskip("trl")

from tests.trainers.preference_pairs import FEW, records, trained
from trainers.reward import Reward
from trainers.score_reward import RewardScore


@pytest.fixture(scope="module")
def rater(tiny_model_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rater") / "rm"
    trained(Reward(**FEW, watch=0), tiny_model_dir, folder)
    return folder


def test_the_step_is_found_without_its_heavy_packages():
    code = (
        "import sys; from datakit import registry; cls = registry.find('score.reward'); "
        "from datakit.step import describe; assert describe(cls)['verb'] == 'score'; "
        "assert not {'torch', 'transformers', 'peft', 'trl', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert registry.find("score.reward") is RewardScore


def test_records_get_a_reward_and_can_be_filtered_by_it(rater):
    good = records(4)
    bad = [Record(each.instruction, output=each.extra["rejected"]) for each in good]
    none = [Record("No answer.", output=""), Record("Too long.", output="so " * 200)]
    steps = [f"score.reward: {{model: {rater}, max_length: 128}}"]
    result = datakit.apply([*good, *bad, *none], steps)
    rewards = [each.scores.get("reward") for each in result.kept]
    assert rewards[8:] == [None, None]
    assert min(rewards[:4]) > max(rewards[4:8])
    edge = (min(rewards[:4]) + max(rewards[4:8])) / 2
    filtered = datakit.apply(
        [*good, *bad, *none], [*steps, f"filter.where: {{expression: reward > {edge}}}"]
    )
    assert [each.output for each in filtered.kept] == [each.output for each in good]
    reasons = [drop.reason for _, _, drop in filtered.dropped]
    assert reasons == ["where"] * 4 + ["no_score"] * 2


def test_a_rating_does_not_depend_on_its_batch(rater):
    data = [*records(5), Record("Say much.", output="The river runs past the old mill. " * 4)]
    with_resources = Resources()
    alone = RewardScore(model=str(rater), batch=1).score(data, with_resources)
    together = RewardScore(model=str(rater), batch=6).score(data, with_resources)
    with_resources.close()
    for a, b in zip(alone, together, strict=True):
        assert a["reward"] == pytest.approx(b["reward"], rel=0.02, abs=0.02)


def test_a_model_counts_by_what_decides_its_ratings(rater, tmp_path):
    shutil.copytree(rater, tmp_path / "moved")
    step, moved = RewardScore(model=str(rater)), RewardScore(model=str(tmp_path / "moved"))
    assert step.model != moved.model and identity(step) == identity(moved)
    (tmp_path / "moved" / "run.html").write_text("another page")
    assert identity(RewardScore(model=str(tmp_path / "moved"))) == identity(step)
    (tmp_path / "moved" / "checkpoints").mkdir(exist_ok=True)
    (tmp_path / "moved" / "checkpoints" / "model.safetensors").write_bytes(b"not this one")
    assert identity(RewardScore(model=str(tmp_path / "moved"))) == identity(step)
    weights = tmp_path / "moved" / "adapter_model.safetensors"
    assert identity(RewardScore(model=str(weights))) == identity(step)
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert identity(RewardScore(model=str(tmp_path / "moved"))) != identity(step)


def test_what_the_step_finds_is_not_written_into_a_pipeline(rater, tmp_path):
    from datakit.config import parse_pipeline, to_yaml

    (tmp_path / "d.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    text = f"name: x\nsource: d.jsonl\nsteps:\n  - score.reward: {{model: {rater}}}\n"
    pipeline = parse_pipeline(text, folder=tmp_path)
    written = to_yaml(pipeline)
    assert "counts" not in written and pipeline.steps[0].counts
    assert parse_pipeline(written).steps == pipeline.steps
    given = text.replace("}}", "}").replace("}\n", ", counts: [x]}\n")
    with pytest.raises(InputError, match=r"score\.reward\.counts: unknown key"):
        parse_pipeline(given, folder=tmp_path)


def changed(path, **values):
    path.write_text(_json(json.loads(path.read_text()) | values))


@pytest.fixture
def on_its_own_base(rater, tiny_model_dir, tmp_path):
    """An adapter whose base may be changed."""
    shutil.copytree(rater, tmp_path / "rm")
    shutil.copytree(tiny_model_dir, tmp_path / "base")
    facts = json.loads((tmp_path / "rm" / "run.json").read_text())
    base = str(tmp_path / "base")
    changed(tmp_path / "rm" / "run.json", model=facts["model"] | {"base": base, "base_path": base})
    return tmp_path / "rm"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rm/adapter_config.json", {"lora_alpha": 999}),
        ("rm/adapter_config.json", {"base_model_name_or_path": "/b"}),
        ("rm/tokenizer.json", {"version": "2.0"}),
        ("rm/tokenizer_config.json", {"chat_template": "{{ messages }}"}),
        ("base/config.json", {"rope_theta": 5.0}),
    ],
)
def test_another_setting_is_another_model(name, values, on_its_own_base, tmp_path):
    before = identity(RewardScore(model=str(on_its_own_base)))
    changed(tmp_path / name, **values)
    assert identity(RewardScore(model=str(on_its_own_base))) != before


def test_an_adapter_counts_by_its_base_too(on_its_own_base, tmp_path):
    before = identity(RewardScore(model=str(on_its_own_base)))
    template = on_its_own_base / "chat_template.jinja"
    template.write_text("{{ messages }}")
    templated = identity(RewardScore(model=str(on_its_own_base)))
    assert templated != before
    weights = tmp_path / "base" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert identity(RewardScore(model=str(on_its_own_base))) != templated
    shutil.rmtree(tmp_path / "base")
    with pytest.raises(StepError, match="is not there any more"):
        RewardScore(model=str(on_its_own_base))


def adapter_of(folder, base, **model):
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"1")
    config = {"task_type": "SEQ_CLS", "base_model_name_or_path": base}
    (folder / "adapter_config.json").write_text(_json(config))
    if model:
        (folder / "run.json").write_text(_json({"model": {"base": base, **model}}))
    return RewardScore(model=str(folder))


def test_bases_that_are_no_folder(tmp_path):
    hub = adapter_of(tmp_path / "a", "owner/name@main")
    assert hub.counts[-1] == "owner/name@main"
    trained_on = adapter_of(tmp_path / "b", "owner/name", base_kind="hub", revision="abc")
    assert trained_on.counts[-1] == "owner/name@abc"
    (tmp_path / "m.gguf").write_bytes(b"GGUF 1")
    gguf = adapter_of(tmp_path / "c", str(tmp_path / "m.gguf"))
    before = identity(gguf)
    (tmp_path / "m.gguf").write_bytes(b"GGUF, another")
    assert identity(gguf) != before
    for base, model in (("/nowhere", {}), ("a/b", {"base_path": "/nowhere"})):
        with pytest.raises(StepError, match="is not there any more"):
            adapter_of(tmp_path / f"gone{len(model)}", base, **model)


def test_the_embedded_model_counts_by_its_file(tmp_path, monkeypatch):
    file = tmp_path / "own.gguf"
    file.write_bytes(b"GGUF")
    monkeypatch.setattr("datakit.llm.embedded.default_gguf", lambda: file)
    step = adapter_of(tmp_path / "a", "embedded", base_kind="embedded")
    assert step.counts[-1] == str(file)


def test_a_model_in_several_files_counts_by_all(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForSequenceClassification"]}')
    with pytest.raises(StepError, match="holds no weights"):
        RewardScore(model=str(tmp_path))
    for at in (1, 2):
        (tmp_path / f"model-0000{at}-of-00002.safetensors").write_bytes(b"1")
    before = identity(RewardScore(model=str(tmp_path)))
    (tmp_path / "run.html").write_text("a page")
    assert identity(RewardScore(model=str(tmp_path))) == before
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(b"2")
    assert identity(RewardScore(model=str(tmp_path))) != before


def test_in_a_pipeline(rater, tmp_path):
    lines = [each.to_json() for each in records(4)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(_json, lines)) + "\n")
    shutil.copytree(rater, tmp_path / "rm")
    (tmp_path / "p.yaml").write_text(
        "name: rated\nsource: data.jsonl\nsteps:\n"
        "  - score.reward: {model: rm}\n  - filter.where: {expression: reward > -1000}\n"
    )
    version = datakit.run(tmp_path / "p.yaml", store=tmp_path / "store")
    rewards = [record.scores["reward"] for record in version]
    assert len(rewards) == 4 and len(set(rewards)) > 1
    # The same weights elsewhere, with another page beside them, are the same recipe.
    (tmp_path / "rm" / "run.html").write_text("another page")
    assert datakit.run(tmp_path / "p.yaml", store=tmp_path / "store").ref == version.ref


def _json(value):
    return json.dumps(value)


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere", "there is no folder"), ("tiny", "holds no reward model"), ("", "no reward model")],
)
def test_what_is_no_reward_model(name, message, tiny_adapter_dir, tmp_path):
    folder = tiny_adapter_dir if name == "tiny" else tmp_path / name
    with pytest.raises(StepError, match=message) as caught:
        RewardScore(model=str(folder))
    assert list(caught.value.fields) == ["model"]


def test_a_broken_config_and_a_model_that_is_gone(rater, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{")
    with pytest.raises(StepError, match=r"adapter_config\.json cannot be read"):
        RewardScore(model=str(tmp_path))
    shutil.copytree(rater, tmp_path / "rm")
    step = RewardScore(model=str(tmp_path / "rm"))
    shutil.rmtree(tmp_path / "rm")
    with pytest.raises(InputError, match="is not there any more"):
        datakit.apply(records(1), [step])
