"""YAML -> objects -> YAML -> objects, for every registered step."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from datakit import registry
from datakit.config import parse_pipeline, to_yaml
from datakit.fingerprint import identity
from datakit.llm.teacher import Teacher
from datakit.running.pipeline import Pipeline
from datakit.step import FilePath, StepError, hints_of, parameters, path_type, verb_of

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
    st.sampled_from(["no", "1.5", "null", "~", "", " a ", "a: b", "# c", "- d", "2020-01-01", "'"]),
)
# Where any text of the right type would not do.
KNOWN = {
    ("", "price"): st.sampled_from([None, {"input": "0.15"}, {"output": "1", "input": "1e-3"}]),
    ("filter.where", "expression"): st.sampled_from(
        ["len(output) > 3", "ifd < 1 and 'no' in input"]
    ),
    ("generate.from_documents", "path"): st.just(str(Path(__file__).parents[2] / "README.md")),
    ("generate.topic_grid", "topics"): st.sampled_from(
        [None, ["a", {"b: c": ["no", 3]}], {"a": None, "b": {"c": ["d"]}}]
    ),
    # Persona Hub's key is not in the file that the tests have.
    ("generate.topic_grid", "personas_file"): st.none(),
    ("source.jsonl", "fields"): st.sampled_from([None, {"instruction": "question", "input": "no"}]),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("write").resolve() / "data.jsonl"
    # A row of data, and a prompt with a place.
    path.write_text('{"instruction": "{instruction}"}')
    return str(path)


def values(schema):
    """Values of a JSON Schema, as far as msgspec writes them."""
    if "anyOf" in schema:
        return st.one_of([values(each) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "pattern" in schema:
        return st.from_regex(schema["pattern"].replace(".+", "[a-z]+"), fullmatch=True)
    kind = schema["type"]
    if kind == "null":
        return st.none()
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        return st.integers(schema.get("minimum", -(2**31)), schema.get("maximum", 2**31))
    if kind == "number":
        low, high = schema.get("minimum"), schema.get("maximum", schema.get("exclusiveMaximum"))
        return st.floats(
            schema.get("exclusiveMinimum", low),
            high,
            exclude_min="exclusiveMinimum" in schema,
            exclude_max="exclusiveMaximum" in schema,
            allow_nan=False,
            allow_infinity=False,
        )
    if kind == "array":
        return st.lists(values(schema["items"]), min_size=schema.get("minItems", 0), max_size=3)
    if kind == "object":
        keys = schema.get("propertyNames")
        inner = schema.get("additionalProperties")
        return st.dictionaries(
            values(keys) if keys else TEXTS, values(inner) if inner else TEXTS, max_size=2
        )
    assert kind == "string", schema
    return TEXTS


def things(cls, file):
    """Objects of a step class (or of Teacher) with some fields set."""
    hints, fixed, free = hints_of(cls), {}, {}
    name = getattr(cls, "step_name", "")
    for row in parameters(cls):
        key = row["name"]
        if (name, key) in KNOWN:
            source = KNOWN[name, key]
        elif path_type(hints[key]):
            listed = row["schema"].get("type") == "array"
            source = st.just([file] if listed else file)
        else:
            source = values(row["schema"])
        (fixed if row["required"] else free)[key] = source
    return st.fixed_dictionaries(fixed, optional=free)


def built(cls, fields):
    try:
        return cls(**fields)
    except StepError:
        assume(False)


def pipeline(step, file):
    source = registry.find("source.jsonl")(path=file)
    if verb_of(step) == "read":
        return Pipeline(name="a", source=step, steps=(registry.find("dedup.exact")(),))
    if verb_of(step) == "make":
        return Pipeline(name="a", seeds=source, target=5, steps=(step,))
    return Pipeline(name="a", source=source, steps=(step,))


def returns(whole):
    """Checks that a pipeline's YAML reads back as the same pipeline; returns what it reads."""
    text = to_yaml(whole)
    again = parse_pipeline(text)
    assert again.recipe == text
    assert dataclasses.replace(again, recipe="") == dataclasses.replace(whole, recipe="")
    assert identity(again.steps) == identity(whole.steps)
    assert to_yaml(again) == text
    return again


# Steps of other packages may need more than any file, such as a trained model.
OWN = [n for n in registry.names() if registry.find(n).__module__.startswith("datakit.steps.")]


@pytest.mark.parametrize("name", OWN)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_step(name, file, data):
    cls = registry.find(name)
    step = built(cls, data.draw(things(cls, file)))
    returns(pipeline(step, file))


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_teachers(file, data):
    fields = data.draw(things(Teacher, file))
    fields["provider"] = data.draw(st.sampled_from(["embedded", "openai"]))
    teacher = built(Teacher, fields)
    step = registry.find("generate.self_instruct")()
    whole = Pipeline(
        name="a",
        seeds=registry.find("source.jsonl")(path=file, answers=True),
        target=5,
        budget="5.00" if teacher.has_price else None,
        teacher=data.draw(st.sampled_from([teacher, None])),
        teachers=data.draw(st.sampled_from([{1: teacher}, {}])),
        steps=(step, dataclasses.replace(step, examples=3)),
    )
    assume(whole.budget is None or all(whole.teacher_of(at).has_price for at in whole.makers))
    again = returns(whole)
    assert again.teacher_of(1).prices() == whole.teacher_of(1).prices()


def test_paths_are_absolute(file):
    whole = parse_pipeline("name: a\nsource: data.jsonl\nsteps: [dedup.exact]", folder=file[:-11])
    assert whole.source.path == FilePath(file)
    assert file in to_yaml(whole)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "random_seed": st.integers(0, 2**63 - 1),
            "max_candidates": st.integers(1, 10**9),
            "round_size": st.integers(1, 100_000),
            "include_seeds": st.booleans(),
        },
    )
)
def test_plain_keys(file, keys):
    seeds = registry.find("source.jsonl")(path=file)
    step = registry.find("generate.self_instruct")()
    returns(Pipeline(name="a.b-c_1", seeds=seeds, target=5, steps=(step,), **keys))
