"""The JSON Schema that editors use agrees with the reader about what a pipeline is."""

from pathlib import Path

import pytest
import yaml

from datakit.config import parse_pipeline, pipeline_schema
from datakit.errors import PipelineError

jsonschema = pytest.importorskip("jsonschema")

ROOT = Path(__file__).parents[2]
HEAD = "name: a\nsource: data.jsonl\nsteps:\n"
GROW = "name: a\nseeds: data.jsonl\ntarget: 5\nsteps:\n  - generate.self_instruct\n"


@pytest.fixture(scope="module")
def schema():
    whole = pipeline_schema()
    jsonschema.Draft202012Validator.check_schema(whole)
    return jsonschema.Draft202012Validator(whole)


def files():
    found = [*ROOT.glob("pipelines/*.yaml"), *ROOT.glob("examples/**/*.yaml")]
    assert found
    return [*found, ROOT / "datakit/cli/templates/pipeline.yaml"]


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_our_pipelines(path, schema):
    schema.validate(yaml.safe_load(path.read_text().replace("@NAME@", "new")))


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "  - dedup.exact\n",
        HEAD + "  - dedup.exact:\n",
        HEAD + "  - dedup.exact: {}\n",
        HEAD + "  - filter.length: {min_chars: 3}\n",
        HEAD + "  - filter.length: 3\n",
        HEAD + "  - filter.where: len(output) > 3\n",
        HEAD + "  - contamination.by_length: {against: [./data.jsonl]}\n",
        HEAD.replace("data.jsonl", "{source.jsonl: {path: data.jsonl}}") + "  - dedup.exact\n",
        HEAD.replace("data.jsonl", "{source.jsonl: data.jsonl}") + "  - dedup.exact\n",
        GROW,
        GROW + "budget: 5\nteacher: {price: {input: '1', output: '2'}}\n",
        GROW.replace("self_instruct", "self_instruct: {teacher: {provider: embedded}}"),
        HEAD + "  - score.judge: {teacher: {provider: openai, model: m}}\n",
    ],
)
def test_both_accept(text, schema, tmp_path):
    (tmp_path / "data.jsonl").write_text("{}")
    parse_pipeline(text, folder=tmp_path)
    schema.validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n",
        "name: a\n",
        "name: a\nsource: data.jsonl\nsteps: []\n",
        "name: a\nsteps: [dedup.exact]\n",
        "name: a\nseeds: data.jsonl\nsource: data.jsonl\nsteps: [dedup.exact]\n",
        HEAD.replace("a\n", "A B\n", 1) + "  - dedup.exact\n",
        HEAD + "  - filter.lenght\n",
        HEAD + "  - filter.lenght: {}\n",
        HEAD + "  - filter.length: {min_char: 3}\n",
        HEAD + "  - filter.length: {min_chars: three}\n",
        HEAD + "  - filter.length: {min_chars: -1}\n",
        HEAD + "  - filter.length: [3]\n",
        HEAD + "  - filter.length: three\n",
        HEAD + "  - filter.length: {}\n    dedup.exact: {}\n",
        HEAD + "  - filter.where\n",
        HEAD + "  - filter.where:\n",
        HEAD + "  - contamination.by_length\n",
        HEAD + "  - contamination.by_length: ./data.jsonl\n",
        HEAD + "  - source.jsonl: data.jsonl\n",
        HEAD + "  - dedup.minhash: {view: promt}\n",
        HEAD.replace("data.jsonl", "{filter.length: {}}") + "  - dedup.exact\n",
        HEAD.replace("data.jsonl", "[data.jsonl]") + "  - dedup.exact\n",
        GROW + "targt: 5\n",
        GROW.replace("5", "0"),
        GROW + "teacher: openai\n",
        GROW + "teacher: {concurrency: 0}\n",
        GROW.replace("self_instruct", "self_instruct: {teacher: {modl: m}}"),
    ],
)
def test_both_refuse(text, schema, tmp_path):
    (tmp_path / "data.jsonl").write_text("{}")
    with pytest.raises(PipelineError):
        parse_pipeline(text, folder=tmp_path)
    with pytest.raises(jsonschema.ValidationError):
        schema.validate(yaml.safe_load(text))
