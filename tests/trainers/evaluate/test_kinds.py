"""What is said of a task's file is so: the line that is shown opens, and the docstring has it."""

import importlib

import pytest

from trainers.evaluate import TASKS, parse_task

HAVING_FILES = [name for name, kind in TASKS.items() if "FILE" in kind.argument]


@pytest.mark.parametrize("name", HAVING_FILES)
def test_the_line_that_is_shown_is_an_item(name, tmp_path):
    path, kind = tmp_path / "items.jsonl", TASKS[name]
    lines = [kind.example.replace('_id": 111', f'_id": {at}') for at in range(kind.least)]
    path.write_text("".join(f"{line}\n" for line in lines))
    assert len(parse_task(f"{name}:{path}")) == kind.least


@pytest.mark.parametrize("name", TASKS)
def test_the_module_shows_it_too(name):
    kind = TASKS[name]
    doc = " ".join(importlib.import_module(f"trainers.evaluate.{kind.module}").__doc__.split())
    assert " ".join(kind.example.split()) in doc


@pytest.mark.parametrize("name", HAVING_FILES)
def test_the_keys_are_named(name):
    import json

    for key in json.loads(TASKS[name].example):
        assert f"`{key}`" in TASKS[name].reads
