"""Pipelines from YAML: forms that are accepted, and what they become."""

import pytest

from datakit import registry
from datakit.config import (
    load_pipeline,
    load_teacher,
    parse_pipeline,
    parse_step,
    parse_teacher,
)
from datakit.config.load import KEYS
from datakit.errors import PipelineError
from datakit.llm.teacher import Teacher

LENGTH = registry.find("filter.length")
WHERE = registry.find("filter.where")
EXACT = registry.find("dedup.exact")
GROW = "name: a\nseeds: data.jsonl\ntarget: 5\nsteps:\n  - generate.self_instruct\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data.jsonl").write_text("{}")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/data.csv").write_text("a\n")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("filter.length", LENGTH()),
        ("filter.length:", LENGTH()),
        ("filter.length: {}", LENGTH()),
        ("filter.length: {min_chars: 3}", LENGTH(min_chars=3)),
        ("{filter.length: {min_chars: 3}}", LENGTH(min_chars=3)),
        ("filter.length:\n  min_chars: 3\n  max_chars: 9\n", LENGTH(min_chars=3, max_chars=9)),
        ("filter.length: 3", LENGTH(min_chars=3)),
        ("filter.where: 'len(output) > 2'", WHERE("len(output) > 2")),
        ('"filter.where": {expression: ifd < 1}', WHERE("ifd < 1")),
        ("filter.length: {fields: [output, input]}", LENGTH(fields=("output", "input"))),
    ],
)
def test_forms_of_a_step(text, wanted):
    assert parse_step(text) == wanted


@pytest.mark.parametrize(
    "source", ["data.jsonl", "./data.jsonl", "more/data.csv", "more/../data.jsonl"]
)
def test_paths_are_relative_to_the_file(source, folder, monkeypatch, tmp_path_factory):
    (folder / "p.yaml").write_text(f"name: a\nsource: {source}\nsteps: [dedup.exact]\n")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    pipeline = load_pipeline(folder / "p.yaml")
    assert pipeline.source.path == str((folder / source).resolve())
    monkeypatch.chdir(folder.parent)
    assert load_pipeline(f"{folder.name}/p.yaml").source == pipeline.source


@pytest.mark.parametrize(
    "source",
    [
        "{source.jsonl: {path: data.jsonl}}",
        "{source.jsonl: data.jsonl}",
        "\n  source.jsonl:\n    path: ./data.jsonl",
    ],
)
def test_forms_of_a_source(source, folder):
    text = f"name: a\nsource: {source}\nsteps: [dedup.exact]\n"
    pipeline = parse_pipeline(text, folder=folder)
    assert pipeline.source == registry.find("source.jsonl")(
        path=str(folder.resolve() / "data.jsonl")
    )


@pytest.mark.parametrize("name", ["data.ndjson", "data", "rows.txt"])
def test_a_file_counts_by_its_content_whatever_its_ending(name, folder):
    text = f"name: a\nsource: {{source.jsonl: {{path: {name}}}}}\nsteps: [dedup.exact]\n"
    hashes = set()
    for content in ("{}", "{} "):
        (folder / name).write_text(content)
        pipeline = parse_pipeline(text, folder=folder)
        assert pipeline.source.path == str(folder.resolve() / name)
        hashes.add(pipeline.recipe_hash({}))
    assert len(hashes) == 2


def test_a_folder_of_a_model_is_relative_to_the_file(folder):
    text = "name: a\nsource: data.jsonl\nsteps:\n  - dedup.embedding: {model: more}\n"
    pipeline = parse_pipeline(text, folder=folder)
    assert pipeline.steps[0].model == str(folder.resolve() / "more")
    before = pipeline.recipe_hash({})
    (folder / "more/data.csv").write_text("b\n")
    assert parse_pipeline(text, folder=folder).recipe_hash({}) != before
    text = text.replace("more", "./mre")
    with pytest.raises(PipelineError, match=r"there is no such file: .*mre; did you mean"):
        parse_pipeline(text, folder=folder)


def test_a_language_model_is_a_file(folder):
    text = "name: a\nsource: data.jsonl\nsteps:\n  - filter.language: {model: lid}\n"
    with pytest.raises(PipelineError, match=r"model: there is no such file: .*lid\."):
        parse_pipeline(text, folder=folder)
    (folder / "lid").write_text("")
    assert parse_pipeline(text, folder=folder).steps[0].model == str(folder.resolve() / "lid")
    empty = parse_pipeline(text.replace("lid", "''"), folder=folder)
    assert empty.steps[0].model == ""


def test_a_server_knows_its_models_by_name(folder):
    (folder / "m").mkdir()
    for name in ("/models/x", "./y.gguf", "m"):
        text = GROW + f"teacher: {{provider: openai, model: {name}}}\n"
        assert parse_pipeline(text, folder=folder).teacher.model == name
    with pytest.raises(PipelineError, match=r"teacher\.model: .*is a folder; name a \.gguf file"):
        parse_pipeline(GROW + "teacher: {model: m}\n", folder=folder)


def test_seeds_need_answers(folder):
    assert parse_pipeline(GROW, folder=folder).seeds.answers is True
    other = GROW.replace("data.jsonl", "{source.jsonl: {path: data.jsonl, answers: false}}")
    assert parse_pipeline(other, folder=folder).seeds.answers is False


def test_whole(folder):
    text = GROW + (
        "  - dedup.exact\n  - generate.self_instruct: {examples: 2, teacher: {threads: 2}}\n"
        "description: words for people\nrandom_seed: 7\nmax_candidates: 9\nround_size: 3\n"
        "include_seeds: false\nbudget: 5.10\n"
        "teacher: {provider: openai, model: m/x, price: {input: 0.10, output: '2'}}\n"
    )
    pipeline = parse_pipeline(text, folder=folder)
    make = registry.find("generate.self_instruct")
    assert pipeline.steps == (make(), EXACT(), make(examples=2))
    assert pipeline.recipe == text
    assert (pipeline.random_seed, pipeline.max_candidates, pipeline.round_size) == (7, 9, 3)
    assert pipeline.include_seeds is False
    assert pipeline.teachers == {2: Teacher(threads=2)}
    # Money is never a binary fraction: it is taken as it was written.
    assert pipeline.budget == "5.10"
    assert pipeline.teacher.price == {"input": "0.10", "output": "2"}
    assert pipeline.teacher.model == "m/x", "a model's name is not a path"


def test_keys_are_fields_of_a_pipeline():
    from dataclasses import fields

    from datakit.running.pipeline import Pipeline

    names = {spec.name for spec in fields(Pipeline)}
    assert set(KEYS) - names == {"description"}, "which is for people only"


def test_step_of_a_hub_model_is_no_path():
    assert parse_step("dedup.embedding: {model: org/model}").model == "org/model"


@pytest.mark.parametrize("text", ["seeds:", "teacher:", "budget:", "source:"])
def test_an_empty_key_is_an_absent_key(text, folder):
    base = GROW if text != "seeds:" else "name: a\nsource: data.jsonl\nsteps: [dedup.exact]\n"
    assert (
        parse_pipeline(f"{base}{text}\n", folder=folder).steps
        == parse_pipeline(base, folder=folder).steps
    )


def test_budget_of_a_step_s_own_teacher(folder):
    text = GROW + "budget: 5\n"
    text = text.replace("self_instruct", "self_instruct: {teacher: {provider: openai, model: m}}")
    with pytest.raises(PipelineError) as caught:
        parse_pipeline(text, folder=folder)
    (problem,) = caught.value.problems
    assert problem.startswith("pipeline:5:39: steps.0.generate.self_instruct.teacher: ")
    assert "needs the price of m" in problem


def test_a_step_that_asks_about_records_has_a_teacher_of_its_own(folder):
    text = "name: a\nsource: data.jsonl\nsteps:\n  - dedup.exact\n  - score.judge: {teacher: "
    pipeline = parse_pipeline(text + "{provider: openai, model: m}}\n", folder=folder)
    assert pipeline.teachers == {1: Teacher(provider="openai", model="m")}
    with pytest.raises(PipelineError, match=r"steps\.1\.score\.judge\.teacher\.model: .*missing"):
        parse_pipeline(text + "{provider: openai}}\n", folder=folder)
    with pytest.raises(PipelineError, match=r"filter\.length\.teacher: unknown key"):
        parse_step("filter.length: {teacher: {provider: openai}}")


@pytest.mark.parametrize("text", ["{provider: openai, model: m}", "provider: openai\nmodel: m\n"])
def test_a_teacher_alone(folder, text):
    assert parse_teacher(text) == Teacher(provider="openai", model="m")
    (folder / "t.yaml").write_text(text)
    assert load_teacher(folder / "t.yaml") == parse_teacher(text)
    with pytest.raises(PipelineError, match=r"t:1:1: a teacher is written as"):
        parse_teacher("openai", name="t")
    with pytest.raises(PipelineError, match=r"t:1:1: a teacher is written as"):
        parse_teacher("", name="t")
    with pytest.raises(PipelineError, match=r"teacher:1:2: modl: unknown key; did you mean"):
        parse_teacher("{modl: m}")


def test_a_mistake_is_told_once_however_often_the_teacher_works(folder):
    text = GROW + "  - generate.self_instruct\nbudget: 5\nteacher: {provider: openai, model: m}\n"
    with pytest.raises(PipelineError) as caught:
        parse_pipeline(text, folder=folder)
    assert len(caught.value.problems) == 1


def test_too_large(folder):
    (folder / "p.yaml").write_text("# " + "x" * 2**20)
    with pytest.raises(
        PipelineError, match=r"p\.yaml: is not a pipeline: it is larger than 1 MiB\."
    ):
        load_pipeline(folder / "p.yaml")
