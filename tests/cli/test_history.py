"""diff and tag, as they are typed."""

import json

import pytest

from datakit.store import Store
from tests.store.making import published, record


@pytest.fixture
def two(folder):
    store = Store("datasets")
    published(store, [record("a"), record("b"), record("c\x1b", "old \x1b[31m words")])
    published(store, [record("a"), record("d", parents=["a"]), record("c\x1b", "new words")])
    return store


def test_a_diff_says_what_and_why(two, cli):
    ran = cli("diff sql@v1 sql@v2")
    assert ran.code == 0
    assert ran.out.startswith("sql@v1 .. sql@v2   1 added, 1 removed, 1 changed, 1 the same\n")
    assert "+  test.made " in ran.out and "-  not in sql@v2 " in ran.out
    assert "[-old <U+001B>[31m-]{+new+} words" in ran.out and "\x1b" not in ran.out
    assert "\n- b\n" in ran.out and "\n+ d\n" in ran.out


def test_a_stat_shows_no_record(two, cli):
    ran = cli("diff sql@v1 sql@v2 --stat --exit-code")
    assert ran.code == 1 and "question" not in ran.out
    assert cli("diff sql@v1 sql@v1 --exit-code").code == 0


def test_a_diff_as_json(two, cli):
    said = json.loads(cli("diff sql@v1 sql@latest --json").out)
    assert (said["before"], said["after"], said["same"]) == ("sql@v1", "sql@v2", 1)
    assert said["added"] == ["d"] and said["removed"][0]["id"] == "b"


def test_more_than_are_shown_are_told(two, cli):
    ran = cli("diff sql@v1 sql@v2 -n 0")
    assert "question" not in ran.out
    assert "1 more changed, 1 more removed, 1 more added; -n shows more." in ran.err


def test_a_tag_is_given_moved_and_removed(two, cli):
    assert cli("tag sql@v1 best").out == "sql@best is sql@v1\n"
    assert cli("diff sql@best sql@v2 --stat").out.startswith("sql@v1 .. sql@v2")
    assert cli("tag sql@v1").out == "best\n"
    assert json.loads(cli("tag sql@v1 --json").out) == {"version": "sql@v1", "tags": ["best"]}
    ran = cli("tag sql@v2 best")
    assert ran.code == 2 and "--move gives it to another" in ran.err
    assert cli("tag sql@v2 best --move").code == 0
    assert "best" in cli("log sql").out
    assert cli("tag sql@best --delete").out == "sql@v2 is no longer best\n"
    assert cli("show sql@best").code == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tag sql@v1 ../x", "cannot be a tag"),
        ("tag sql@v1 latest", "every dataset has its own latest"),
        ("tag sql@v1 --delete", 'there is no tag "v1"'),
        ("tag sql@v9 x", "sql has v1, v2"),
        ("diff sql@v1 sql@v9", "sql has v1, v2"),
        ("diff sql@v1 nowhere", "neither a version"),
        ("diff sql@v1 sql@v2 -n -1", "must be 0 or more"),
    ],
)
def test_what_is_wrong(two, cli, line, said):
    ran = cli(line)
    assert ran.code == 2 and said in ran.err and "Traceback" not in ran.err


def test_gc_lists_first_and_removes_when_told(two, cli):
    ran = cli("gc")
    assert "sql@v1" in ran.out and "Nothing was removed; --yes" in ran.err
    assert json.loads(cli("gc --json").out)["removed"] == []
    assert two.numbers("sql") == [1, 2]
    ran = cli("gc sql --yes")
    assert ran.code == 0 and "1 version removed." in ran.err
    assert two.numbers("sql") == [2]
    assert "nothing to remove" in cli("gc").err
    assert cli("gc --keep 0").code == 2


def test_combine_says_what_it_did(two, cli):
    ran = cli("combine sql@v1 sql@v2 -o both")
    assert ran.code == 0 and "dedup.exact" in ran.out and "both@v1   5 records" in ran.out
    assert json.loads(cli("combine sql@v1 -o one --json").out) == {
        "version": "one@v1",
        "records": 3,
    }
    ran = cli("combine sql@v1 sql@v9 -o no")
    assert ran.code == 2 and "sql has v1, v2" in ran.err


def test_push_and_pull(two, cli, folder):
    pytest.importorskip("fsspec")
    ran = cli("push sql@v2 share")
    assert ran.code == 0 and ran.out.startswith("share/sql@v2   0.0 MiB sent")
    ran = cli("pull share/sql@latest --store other")
    assert ran.out == "sql@v2   3 records   other/sql/v2\n"
    assert json.loads(cli("push sql@v2 share --json").out)["bytes"] == 0
    ran = cli("pull share/sql@v9 --store other")
    assert ran.code == 2 and "there are v2" in ran.err
