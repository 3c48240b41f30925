import json

import pytest

import datakit
from datakit.store import Store, diff
from tests.store.making import published, record


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_what_came_went_and_stayed(store):
    one = published(store, [record("a"), record("b"), record("c"), record("d")])
    two = published(
        store,
        [record("b"), record("a"), record("e", parents=["a"]), record("c", "another answer")],
        [record("d")],
    )
    found = diff(one, two)
    assert (found.same, found.added, found.changed) == (2, ("e",), (("c", "c"),))
    assert found.removed == {"d": ("filter.length", "too_short")}
    assert dict(found.made_by) == {"test.made": 1}
    (change,) = found.changes()
    assert (change.before.output, change.after.output) == ("an answer", "another answer")
    assert [each.id for each in found.removed_records()] == ["d"]
    assert [each.id for each in found.added_records(1)] == ["e"]
    assert found and not diff(one, one)
    assert found.to_json()["removed"] == [
        {"id": "d", "step": "filter.length", "reason": "too_short"}
    ]
    back = diff(two, one)
    assert (back.added, dict(back.removed)) == (("d",), {"e": None})


def test_a_revision_is_the_record_changed_and_a_child_is_a_new_one(tmp_path):
    rows = [{"instruction": f"  Count {n} boats.\r\n", "output": f"{n} boats."} for n in range(3)]
    rows.append({"instruction": "Count no boats.", "output": "None."})
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    head = "name: boats\nsource: data.jsonl\nsteps:\n"
    (tmp_path / "p.yaml").write_text(f"{head}  - dedup.exact: {{}}\n")
    one = datakit.run(tmp_path / "p.yaml", store=tmp_path / "store")
    (tmp_path / "p.yaml").write_text(f"{head}  - revise.normalize: {{}}\n  - dedup.exact: {{}}\n")
    two = datakit.run(tmp_path / "p.yaml", store=tmp_path / "store")
    found = diff(one, two)
    assert (found.same, found.added, found.removed, len(found.changed)) == (1, (), {}, 3)
    for change in found.changes():
        assert change.before.instruction.split() == change.after.instruction.split()
        assert change.before.instruction != change.after.instruction


def test_a_child_of_a_record_that_went_is_not_that_record(store):
    one = published(store, [record("a"), record("b")])
    two = published(store, [record("b"), record("c", parents=["a"])], [record("a")])
    found = diff(one, two)
    assert (found.added, list(found.removed), found.changed) == (("c",), ["a"], ())
