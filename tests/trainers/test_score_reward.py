"""score.reward in a pipeline: ratings, what counts of a model, and what is no reward model."""

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

from preference_pairs import FEW, records, trained

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


def test_a_model_counts_by_its_weights(rater, tmp_path):
    shutil.copytree(rater, tmp_path / "moved")
    step, moved = RewardScore(model=str(rater)), RewardScore(model=str(tmp_path / "moved"))
    assert step.model != moved.model and identity(step) == identity(moved)
    (tmp_path / "moved" / "run.html").write_text("another page")
    assert identity(RewardScore(model=str(tmp_path / "moved"))) == identity(step)
    weights = tmp_path / "moved" / "adapter_model.safetensors"
    assert identity(RewardScore(model=str(weights))) == identity(step)
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert identity(RewardScore(model=str(tmp_path / "moved"))) != identity(step)


def test_a_model_in_several_files_counts_by_its_folder(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForSequenceClassification"]}')
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(b"1")
    before = identity(RewardScore(model=str(tmp_path)))
    assert RewardScore(model=str(tmp_path)).model == str(tmp_path)
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(b"2")
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
    import json

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
