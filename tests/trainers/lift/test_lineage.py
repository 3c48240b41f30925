from datakit.record import Record
from trainers.lift.lineage import kin
from trainers.lift.variants import Variant


def record(id, *parents, text=""):
    meta = {"parents": list(parents)} if parents else {}
    return Record(text or f"question {id}", output="o", id=id, meta=meta)


def found(records, items, gone=()):
    variant = Variant("v", tuple(records), gone=tuple(gone))
    return [(each.item, each.record, each.rule) for each in kin(variant, items)]


def test_a_common_seed():
    items = [record("i", "s"), record("j", "t")]
    assert found([record("a", "x"), record("b", "s")], items) == [(0, 1, "family")]


def test_through_what_was_dropped():
    gone = [record("g", "s"), record("h", "g")]
    assert found([record("a", "h")], [record("i", "s")], gone) == [(0, 0, "family")]
    assert found([record("a", "h")], [record("i", "s")]) == []
    assert found([record("a", "h")], [record("g")], gone) == [(0, 0, "made_from")]


def test_made_from_an_item():
    items = [record("i"), record("j")]
    records = [record("a"), record("c", "b"), record("b", "i")]
    assert found(records, items) == [(0, 2, "made_from")]


def test_made_from_a_record():
    assert found([record("a"), record("b")], [record("i", "b")]) == [(0, 1, "family")]


def test_records_without_ids():
    assert found([record("", "i"), record("")], [record("i"), record("")]) == [(0, 0, "made_from")]
    assert found([record(""), record("", "s")], [record("", "s")]) == [(0, 1, "family")]


def test_an_equal_id_alone_relates_nothing():
    assert found([record("1"), record("2")], [record("1"), record("2")]) == []
    assert found([record("1"), record("a", "2")], [record("1"), record("b", "3")]) == []
    # The record's own seed has the number that the file of items gives to something else.
    records = [record("1", text="the seed"), record("a", "1")]
    assert found(records, [record("1", text="an item")]) == []
    assert found(records, [record("1", text="The  seed")]) == [(0, 1, "made_from")]


def test_a_ring_of_parents_has_an_end():
    records = [record("a", "b"), record("b", "a")]
    assert found(records, [record("i", "i")], [record("x", "y"), record("y", "x", "i")]) == []


def test_copies_of_one_object():
    one = record("a", "s")
    assert found([one, one], [one, record("i", "s")]) == [(0, 0, "family"), (1, 0, "family")]
