"""True reruns, with a teacher that is there, and what they may cost."""

from decimal import Decimal

import pytest

from datakit import api
from datakit.ablation import open_ablation
from datakit.errors import InputError
from datakit.steps.filter.length import Length
from datakit.steps.filter.where import Where
from datakit.steps.score.judge import Judge
from tests.ablation.test_replayed import given, plan
from tests.loopback import serve
from trainers.lift.rerunning import Reruns
from trainers.lift.terms import Terms

STEPS = (Length(min_chars=19), Judge(), Where("judge >= 4"))
STEP = "filter.length"


@pytest.fixture
def live(tmp_path):
    with serve(plan()) as server:
        asked = given(tmp_path, server, *STEPS, price={"input": "1000", "output": "1000"})
        version = api.run(asked, store=tmp_path / "store")
        with open_ablation(asked, store=tmp_path / "store") as lab:
            yield server, lab, version, Terms(task="x", store=tmp_path / "store")


def test_nothing_is_asked_unless_the_user_agrees(live):
    server, lab, _, terms = live
    before = len(server.answered())
    left = lab.without(STEP)
    for agreed in (None, lambda rerun: False):
        same, note = Reruns(agreed, terms).of(lab, STEP, left)
        assert same is left
        assert note.startswith("A true rerun without filter.length: A rerun without")
    assert len(server.answered()) == before


def test_what_comes_of_it_takes_the_place_of_what_was_rebuilt(live):
    server, lab, version, terms = live
    before, left = len(server.answered()), lab.without(STEP)
    got, note = Reruns(lambda rerun: True, terms).of(lab, STEP, left)
    assert note.startswith("grown.no-filter.length@v1 is a true rerun")
    assert len(server.answered()) - before == 10
    assert len(got) > len(left) == len(version)
    assert got.changed
    assert not got.held


def test_a_rerun_that_its_budget_ends_is_not_used_and_gone_on_with(live):
    server, lab, _, terms = live
    before, left = len(server.answered()), lab.without(STEP)
    # A request costs something like 0.2, and might cost 1.7.
    for _ in range(2):
        same, note = Reruns(lambda rerun: True, terms, "2.2").of(lab, STEP, left)
        assert same is left
        assert "is not used" in note
        assert "--budget" in note
        sent = len(server.answered()) - before
        assert 0 < sent < 10
    got, note = Reruns(lambda rerun: True, terms, "100").of(lab, STEP, left)
    assert len(got) > len(left)
    assert len(server.answered()) - before == 10


def test_the_cap_is_for_all_of_them_together(live):
    _, lab, _, terms = live
    reruns = Reruns(lambda rerun: True, terms, "100")
    paid = lab.rerun(STEP).paid
    reruns.of(lab, STEP, lab.without(STEP))
    cost = Decimal(
        api.load("grown.no-filter.length@latest", store=terms.store).manifest["cost"]["usd"]
    )
    assert reruns._left == 100 - (cost - paid)
    assert reruns._left < 100
    assert paid > 0
    with pytest.raises(InputError, match="US dollars"):
        Reruns(None, terms, "much")
