"""Answers against JSON Schemas: as the reference says, and in plain words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datakit.conform import check_schema, held, mismatch

jsonschema = pytest.importorskip("jsonschema")

KINDS = ["string", "integer", "number", "boolean", "object", "array", "null"]
numbers = st.integers(-3, 3) | st.sampled_from([-1.5, 0.0, 1.0, 2.5])
values = st.recursive(
    st.none() | st.booleans() | numbers | st.sampled_from(["", "a", "ab", "日本"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
)
plain = {
    "type": st.sampled_from(KINDS) | st.lists(st.sampled_from(KINDS), min_size=1, unique=True),
    "enum": st.lists(values, min_size=1, max_size=3),
    "minLength": st.integers(0, 3),
    "maxLength": st.integers(0, 3),
    "minItems": st.integers(0, 3),
    "maxItems": st.integers(0, 3),
    "minimum": numbers,
    "maximum": numbers,
    "exclusiveMinimum": numbers,
    "exclusiveMaximum": numbers,
    "additionalProperties": st.booleans(),
    "description": st.just("x"),
}


def some(more):
    return st.fixed_dictionaries({}, optional=plain | more)


schemas = st.recursive(
    some({}),
    lambda inner: some(
        {
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            "items": inner,
            "required": st.lists(st.sampled_from("ab"), unique=True),
        }
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(schemas, values)
def test_it_agrees_with_the_reference(schema, value):
    jsonschema.Draft202012Validator.check_schema(schema)
    try:
        check_schema(schema)
    except ValueError as error:
        # A key that is required and forbidden: allowed by the reference, and of no use.
        assert "is not in properties" in str(error)
        return
    wrong = mismatch(value, schema)
    assert (wrong is None) == jsonschema.Draft202012Validator(schema).is_valid(value), wrong


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ([], "the schema is a list, not an object"),
        ({"typ": "string"}, 'typ: this keyword is not supported; did you mean "type"?'),
        ({"$ref": "#/x"}, "$ref: this keyword is not supported; there are type, enum"),
        ({"anyOf": [{}]}, "anyOf: this keyword is not supported"),
        ({"type": "text"}, "type: must be of string, integer"),
        ({"type": []}, "type: must be of"),
        ({"enum": []}, "enum: must be a list of values"),
        ({"properties": {"a": {"items": {"pattern": "x"}}}}, "properties.a.items.pattern: "),
        ({"properties": []}, "properties: must be an object"),
        ({"properties": {"a": True}}, "properties.a is true or false, not an object"),
        ({"required": "a"}, "required: must be a list of keys"),
        ({"required": ["a"], "additionalProperties": False}, '"a" is not in properties'),
        ({"additionalProperties": {}}, "additionalProperties: must be true or false"),
        ({"minLength": -1}, "minLength: must be a whole number"),
        ({"maxItems": 1.5}, "maxItems: must be a whole number"),
        ({"minimum": "1"}, "minimum: must be a number"),
        ({"maximum": True}, "maximum: must be a number"),
    ],
)
def test_a_wrong_schema(schema, message):
    with pytest.raises(ValueError) as caught:
        check_schema(schema)
    assert message in str(caught.value)


OBJECT = {"type": "object", "properties": {"question": {"type": "string"}}}


@pytest.mark.parametrize(
    ("value", "schema", "message"),
    [
        ("b", {"enum": ["ü", [1, {"a": True}]]}, 'the answer is not one of "ü", [1, {"a": true}]'),
        (3, {"type": "string"}, "the answer is a number, not a text"),
        (1.5, {"type": "integer"}, "the answer is 1.5, not a whole number"),
        (True, {"type": ["integer", "null"]}, "is true or false, not a whole number or null"),
        ("c", {"enum": ["a", 1]}, 'the answer is not one of "a", 1'),
        ("ab", {"maxLength": 1}, "the answer has 2 characters, and must have at most 1"),
        ([], {"minItems": 2}, "the answer has 0 items, and must have at least 2"),
        ([1, "x"], {"items": {"type": "integer"}}, "1 is a text, not a whole number"),
        (7, {"maximum": 5}, "the answer is 7, and must be at most 5"),
        (5, {"exclusiveMaximum": 5}, "the answer is 5, and must be below 5"),
        ({"question": 1}, OBJECT, "question is a number, not a text"),
        (
            {"questions": ""},
            {"required": ["question"]},
            'the answer has no "question"; did you mean "questions"?',
        ),
        ({"x": 1}, {"additionalProperties": False}, 'has a key "x" that it must not have'),
        ({"a": {"b": []}}, {"properties": {"a": OBJECT | {"required": ["question"]}}}, "a has no"),
    ],
)
def test_what_does_not_fit(value, schema, message):
    check_schema(schema)
    assert message in mismatch(value, schema)


def test_what_a_teacher_is_held_to():
    inner = {"type": "string", "maxLength": 9, "title": "T", "description": "d", "enum": ["a"]}
    schema = {
        "$schema": "x",
        "type": "object",
        "properties": {"a": {"type": "array", "items": inner, "minItems": 1}},
        "required": ["a"],
        "additionalProperties": False,
    }
    bare = {"type": "string", "description": "d", "enum": ["a"]}
    assert held(schema) == {
        "type": "object",
        "properties": {"a": {"type": "array", "items": bare}},
        "required": ["a"],
        "additionalProperties": False,
    }
    with pytest.raises(ValueError, match=r"^additionalProperties: must be false"):
        held({"type": ["object", "null"]})
    optional = {"additionalProperties": False, "properties": {"b": {}}}
    with pytest.raises(ValueError, match=r'^items.required: must have "b" too'):
        held({"type": "array", "items": optional})
