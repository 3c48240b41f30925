"""The contract of a step: one verb, checked fields, and what is told about them."""

import asyncio
import pickle
import subprocess
import sys
from typing import Annotated, Literal

import cloudpickle
import pytest
from msgspec import Meta

from datakit import registry
from datakit.errors import InputError
from datakit.step import (
    VERBS,
    FilePath,
    FileRef,
    Resources,
    StepError,
    call,
    convert,
    describe,
    parameters,
    path_type,
    step,
    validated,
    verb_of,
)


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    registry.load_all()
    monkeypatch.setattr(registry, "_steps", dict(registry._steps))


def made(**attributes):
    return type("Made", (), {"__doc__": "Does a thing.", **attributes})


@pytest.mark.parametrize("verb", VERBS)
def test_one_verb(verb):
    given = () if verb == "read" else ("records",)
    does = (lambda self: ()) if verb == "read" else (lambda self, records: (records,))
    if verb == "make":

        async def does(self, records):
            return (records,)

    cls = step("x.y")(made(**{verb: does}))
    assert verb_of(cls) == verb_of(cls()) == verb
    assert registry.find("x.y") is cls
    told = call(cls(), *given, llm=1, resources=2)
    assert (asyncio.run(told) if verb == "make" else told) == given


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, r"^x\.y: a step has exactly one verb of make, score, .*; has \[\]$"),
        (
            {"check": print, "score": print},
            r"^x\.y: a step has exactly one verb .* has \['score', 'check'\]$",
        ),
        ({"check": "no function"}, r"exactly one verb"),
        (
            {"check": lambda self, record, llms: None},
            r"^x\.y: check asks for llms; there is resources\.$",
        ),
        ({"read": lambda self, path: None}, r"^x\.y: read asks for path; there is nothing\."),
        ({"check": lambda self, record, llm: None}, r"^x\.y: check asks for llm; there is"),
        ({"make": lambda self, seeds, llm: []}, r"^x\.y: make must be async"),
    ],
)
def test_classes_that_are_no_step(attributes, message):
    with pytest.raises(StepError, match=message):
        step("x.y")(made(**attributes))
    with pytest.raises(InputError, match="unknown step"):
        registry.find("x.y")


def test_what_a_verb_asks_for():
    cls = step("x.y")(made(check=lambda self, record, resources: (record, resources)))
    assert call(cls(), "record", resources="r", llm="l") == ("record", "r")


def test_a_name_is_taken_once():
    step("x.y")(made(check=lambda self, record: None))
    other = type("Other", (), {"check": lambda self, record: None})
    with pytest.raises(InputError, match=r"the step 'x\.y' is registered twice: .*Made, .*Other"):
        step("x.y")(other)
    # A notebook's cell may be run again; the same class of another module may not take the name.
    again = step("x.y")(made(check=lambda self, record: 1))
    assert registry.find("x.y") is again
    with pytest.raises(InputError, match="twice"):
        step("x.y")(made(check=lambda self, record: 1, __module__="elsewhere"))


FIELDS = [
    (int, "two", 'must be a whole number, not "two"'),
    (int, 2.5, "must be a whole number, not 2.5"),
    (int, True, "must be a whole number, not true"),
    (int, None, "must be a whole number, not null"),
    (int | None, "x", 'must be a whole number or null, not "x"'),
    (float, "x", 'must be a number, not "x"'),
    (bool, 1, "must be true or false, not 1"),
    (str, 1, "must be a text, not 1; put it in quotes"),
    (str, False, "must be a text, not false; put it in quotes"),
    (str, None, "must be a text, not null"),
    (str, ["a"], 'must be a text, not ["a"]'),
    (list[str], "a", 'must be a list [...], not "a"'),
    (dict[str, str], "a", 'must be a mapping {key: value}, not "a"'),
    (tuple[str, ...], ["a", 1], "item 2 must be a text, not 1; put it in quotes"),
    (dict[str, str], {"a": 1}, 'a value inside must be a text, not {"a": 1}'),
    (Literal["one", "two"], "tow", 'must be one of one, two, not "tow"; did you mean "two"?'),
    (Literal["one"] | None, "x", 'must be one of one, not "x"'),
    (
        tuple[Literal["one", "two"], ...],
        ["one", "tow"],
        'item 2 must be one of one, two, not "tow"; did you mean "two"?',
    ),
    (
        dict[Literal["one"], int],
        {"on": 1},
        'a key must be one of one, not "on"; did you mean "one"?',
    ),
    (Annotated[int, Meta(ge=1)], 0, "must be a whole number of at least 1, not 0"),
    (Annotated[int, Meta(le=9)], 10, "must be a whole number of at most 9, not 10"),
    (Annotated[float, Meta(gt=0)], 0, "must be a number above 0, not 0"),
    (Annotated[float, Meta(lt=1.5)], 2, "must be a number below 1.5, not 2"),
    (
        Annotated[tuple[str, ...], Meta(min_length=1)],
        [],
        "must be a list [...] of a length of at least 1, not []",
    ),
    (Annotated[str, Meta(pattern="^a$")], "b", "must be a text that matches '^a$', not \"b\""),
    (FileRef, 3, "must be a path, not 3"),
    (FilePath, 3, "must be a path, not 3"),
    (str, "x" * 0 or ["y" * 99], 'must be a text, not ["' + "y" * 35 + "..."),
]


@pytest.mark.parametrize(("hint", "value", "message"), FIELDS, ids=lambda each: str(each)[:30])
def test_messages(hint, value, message):
    with pytest.raises(ValueError) as caught:
        convert(value, hint)
    assert str(caught.value).startswith(message)
    assert "`" not in str(caught.value)


@pytest.mark.parametrize(
    ("hint", "value", "wanted"),
    [
        (tuple[str, ...], ["a"], ("a",)),
        (float, 1, 1.0),
        (int | None, None, None),
        (FileRef, "a.jsonl", FileRef("a.jsonl")),
        (FilePath, "a", FilePath("a")),
        (tuple[FileRef, ...], ["a"], (FileRef("a"),)),
    ],
)
def test_values(hint, value, wanted):
    got = convert(value, hint)
    assert got == wanted
    assert type(got) is type(wanted)


class _Length:
    """Drops what is too long.

    Longer text.

    Args:
        least: Fewest characters,
            spaces included.
        most: Most characters.
        kind: What is counted.

    Raises:
        Nothing: Ever.
    """

    least: Annotated[int, Meta(ge=0)]
    most: int = 9
    kind: Literal["a", "b"] = "a"

    def __post_init__(self):
        if self.least > self.most:
            raise ValueError("most: is below least")
        if self.most == 99:
            raise ValueError("99 is no number: it is a year")

    def check(self, record):
        return None


@pytest.fixture
def length():
    return step("x.length")(type("Length", (_Length,), {**vars(_Length)}))


def test_fields_are_checked_all_at_once(length):
    with pytest.raises(StepError) as caught:
        length(least=-1, most="x", kind="c")
    assert set(caught.value.fields) == {"least", "most", "kind"}
    assert len(caught.value.problems) == 3
    assert all(each.startswith("x.length.") for each in caught.value.problems)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TypeError)


def test_what_fields_mean_together(length):
    with pytest.raises(StepError) as caught:
        length(least=10)
    assert caught.value.fields == {"most": "is below least"}
    assert str(caught.value) == "x.length.most: is below least"
    with pytest.raises(StepError) as caught:
        length(least=1, most=99)
    assert caught.value.fields == {"": "99 is no number: it is a year"}


def test_a_step_never_changes_and_travels(length):
    thing = length(3)
    with pytest.raises(AttributeError):
        thing.least = 4
    assert thing == length(3) != length(4)
    assert hash(thing) == hash(length(3))
    assert repr(thing) == "Length(least=3, most=9, kind='a')"
    again = cloudpickle.loads(cloudpickle.dumps(thing))
    assert (again.least, again.most) == (3, 9)


def test_a_step_of_a_notebook_goes_to_a_worker(tmp_path):
    """Its class is not importable there: it travels with its code and its constraints."""
    script = tmp_path / "notebook.py"
    script.write_text(
        "import cloudpickle, subprocess, sys\n"
        "from typing import Annotated\n"
        "from msgspec import Meta\n"
        "import datakit as dk\n"
        "@dk.step('my.filter')\n"
        "class Mine:\n"
        "    least: Annotated[int, Meta(ge=0, le=9, description='d')] = 3\n"
        "    def check(self, record):\n"
        "        return dk.Drop('short', least=self.least) if len(record) < self.least else None\n"
        "code = 'import pickle, sys; from datakit.step import call; '\n"
        "code += 'step = pickle.load(sys.stdin.buffer); print(call(step, str(7)).detail); '\n"
        "code += 'type(step)(least=10)'\n"
        "done = subprocess.run([sys.executable, '-c', code], input=cloudpickle.dumps(Mine(4)),"
        " capture_output=True)\n"
        "print(done.stdout.decode(), done.stderr.decode().splitlines()[-1])\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "{'least': 4}"
    assert done.stdout.strip().endswith(
        "my.filter.least: must be a whole number of at most 9, not 10"
    )


def test_describe(length):
    told = describe(length)
    assert (told["name"], told["verb"], told["summary"]) == (
        "x.length",
        "check",
        "Drops what is too long.",
    )
    assert told["parameters"] == [
        {
            "name": "least",
            "schema": {"type": "integer", "minimum": 0},
            "text": "Fewest characters, spaces included.",
            "required": True,
        },
        {
            "name": "most",
            "schema": {"type": "integer"},
            "text": "Most characters.",
            "required": False,
            "default": 9,
        },
        {
            "name": "kind",
            "schema": {"enum": ["a", "b"]},
            "text": "What is counted.",
            "required": False,
            "default": "a",
        },
    ]


@pytest.mark.parametrize("name", registry.names())
def test_every_step_says_what_it_does(name):
    told = describe(registry.find(name))
    assert told["summary"].endswith(".")
    for each in told["parameters"]:
        assert each["text"], f"{name}: {each['name']} has no line in Args"
        assert each["schema"]
    family, _, short = name.partition(".")
    # What needs a trained model lives with the trainers, which datakit never imports.
    own = (f"datakit.steps.{family}.{short}", f"trainers.{family}_{short}")
    assert told["module"] in own


def test_errors_travel_between_processes():
    error = StepError(("a", "b"), {"k": "a"})
    again = pickle.loads(pickle.dumps(error))
    assert (again.problems, again.fields) == (error.problems, error.fields)


def test_validated_values_without_a_verb():
    @validated
    class Point:
        """A point."""

        x: int = 0

    assert Point(3).x == 3
    with pytest.raises(StepError, match=r'^Point\.x: must be a whole number, not "a"$'):
        Point("a")
    assert [row["name"] for row in parameters(Point)] == ["x"]


@pytest.mark.parametrize(
    ("text", "is_path"),
    [
        ("./a", True),
        ("../a", True),
        ("/a", True),
        ("~/a", True),
        ("a.jsonl", True),
        ("a/b.csv.gz", True),
        ("model.gguf", True),
        ("data.ndjson", True),
        ("gsm8k", False),
        ("org/model", False),
        ("", False),
    ],
)
def test_paths_and_names(text, is_path):
    assert FileRef(text).is_path is is_path


def test_what_is_there_is_a_path(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    assert not FileRef("model").is_path
    assert FileRef("model").is_path_in(tmp_path)
    assert not FileRef("").is_path_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert FileRef("model").is_path


class FilePathLike:
    """Is no path, whatever its name says."""


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (FilePath, FilePath),
        (FileRef | None, FileRef),
        (Annotated[tuple[FilePath, ...], Meta(min_length=1)], FilePath),
        (dict[str, list[FileRef]], FileRef),
        (FilePathLike, None),
        (Annotated[str, "a FileRef"], None),
        (Literal["FileRef"], None),
    ],
)
def test_path_type(hint, kind):
    assert path_type(hint) is kind


def test_resources_are_opened_once_and_closed_in_turn():
    closed = []

    class Thing:
        def __init__(self, name):
            self.name = name

        def close(self):
            closed.append(self.name)

    resources = Resources()
    first = resources.open(Thing, "a")
    assert resources.open(Thing, "a") is first
    assert resources.open(Thing, "b") is not first
    assert resources.open(str, 7) == "7"
    resources.close()
    assert closed == ["b", "a"]
    assert resources.open(Thing, "a") is not first
