import json
import sys

import pytest

from datakit.errors import InputError
from datakit.record import Record
from trainers.lift.variants import Variant, answered, asked, open_variant, question

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": "Go  ON"},
    {"role": "assistant", "content": "On."},
]


def test_a_file_is_a_variant(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [{"instruction": f"q{at}", "output": "o"} for at in range(3)]
    path.write_text("\n".join(map(json.dumps, lines)))
    variant = open_variant(str(path))
    assert (variant.name, variant.control, len(variant)) == (str(path), "", 3)
    assert [each.instruction for each in variant.records] == ["q0", "q1", "q2"]


def test_fields_of_a_file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"ask": "q", "say": "o"}\n')
    (record,) = open_variant(str(path), fields={"instruction": "ask", "output": "say"}).records
    assert (record.instruction, record.output) == ("q", "o")


def _version(tmp_path, kept, dropped):
    folder = tmp_path / "store" / "sql" / "v1"
    folder.mkdir(parents=True)
    manifest = {"schema": 1, "name": "sql", "version": "v1", "funnel": [], "records": len(kept)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    drop = {"step": "s", "reason": "r", "of": None, "score": None, "detail": {}}
    rows = [{**each, "dropped": drop} for each in dropped]
    for name, listed in (("data", kept), ("dropped", rows)):
        text = "".join(json.dumps(each) + "\n" for each in listed)
        (folder / f"{name}.jsonl").write_text(text)
    return folder


def test_a_version_knows_what_it_dropped(tmp_path):
    kept = [{"instruction": "q", "output": "o", "id": "b", "meta": {"parents": ["a"]}}]
    dropped = [{"instruction": "long text", "id": "a", "meta": {"parents": ["s"], "x": 1}}]
    folder = _version(tmp_path, kept, dropped)
    by_path = open_variant(str(folder))
    by_name = open_variant("sql@v1", store=tmp_path / "store")
    for variant in (by_path, by_name):
        assert [each.id for each in variant.records] == ["b"]
        assert variant.gone == (Record("", id="a", meta={"parents": ["s"]}),)


def test_a_version_without_records(tmp_path):
    folder = _version(tmp_path, [], [])
    with pytest.raises(InputError, match="there are no records in it"):
        open_variant(str(folder))


def test_the_hash_is_that_of_contents_in_their_order():
    one, two = Record("a", output="x"), Record("b", output="y")
    variant = Variant("n", (one, two))
    assert len(variant.sha256) == 64
    assert variant.sha256 == Variant("m", (one.replace(id="7"), two)).sha256
    assert variant.sha256 != Variant("n", (two, one)).sha256
    assert variant.sha256 != Variant("n", (one, two.replace(output="z"))).sha256


def test_a_derived_variant_says_what_it_is():
    gone = (Record("", id="g"),)
    made = Variant("sql@v4", (Record("a"),), gone=gone).derived("half of it", "One is left.", [])
    assert (made.name, made.control, made.records) == ("sql@v4 (half of it)", "One is left.", ())
    assert made.gone == gone


def test_what_is_asked():
    plain = Record("Add.", "1 2", "3", extra={"system": "Be brief."})
    assert [each["content"] for each in asked(plain)] == ["Be brief.", "Add.\n1 2"]
    chat = Record("Go  ON", output="On.", extra={"messages": CHAT})
    assert list(asked(chat)) == CHAT[:-1]
    assert question(chat) == (("user", "hello"), ("assistant", "hi."), ("user", "go on"))
    assert question(plain) == (("user", "add. 1 2"),)


def test_a_chat_with_its_answer_in_its_messages_alone():
    assert answered(Record("Go  ON", extra={"messages": CHAT})) == "On."
    assert answered(Record("", output="x")) == "x"


@pytest.mark.parametrize(
    "record",
    [
        Record("Q", output=""),
        Record("Q", output="o", extra={"messages": "none"}),
        Record("Q", output="o", extra={"messages": CHAT}),
    ],
)
def test_what_is_no_example_still_asks_something(record):
    assert question(record) == (("user", "q"),)


def test_a_system_text_makes_no_other_question():
    one = Record("Q", output="o", extra={"system": "A"})
    assert question(one) == question(Record("q ", output="o"))
    assert asked(one) != asked(Record("Q", output="o"))


def test_importing_brings_no_torch():
    # Other tests of the process may have: only a fresh one can tell.
    import subprocess

    names = ("variants", "draws", "budget", "controls", "guards")
    code = "; ".join(f"import trainers.lift.{each}" for each in names)
    code += "; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
