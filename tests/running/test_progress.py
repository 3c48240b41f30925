from decimal import Decimal

from datakit import api
from datakit.running.progress import Progress
from datakit.steps.filter.length import Length
from datakit.steps.filter.where import Where
from datakit.steps.score.judge import Judge
from datakit.steps.source.jsonl import JsonLines
from tests.ablation.asking import plan
from tests.ablation.runs import pipeline, seeds
from tests.loopback import serve
from tests.running.steps import triples

JUDGED = Length(max_chars=40), Judge(), Where("judge >= 3")


def test_a_cleaning_tells_how_many_records_were_judged(tmp_path):
    told = []
    with serve(plan()) as server:
        source = JsonLines(seeds(tmp_path / "source", 24).path)
        asked = pipeline(tmp_path, server, *JUDGED, seeds=None, source=source, target=None)
        version = api.run(asked, store=tmp_path / "store", tell=told.append)
    assert [each.done for each in told] == list(range(1, 25))
    assert {each.step for each in told} == {"score.judge"}
    assert told[-1].spent == Decimal(version.manifest["cost"]["usd"]) > 0


def test_a_growing_run_tells_of_rounds_and_of_the_judge(tmp_path):
    told: list[Progress] = []
    with serve(plan()) as server:
        asked = pipeline(tmp_path, server, triples(3), *JUDGED, target=12)
        version = api.run(asked, store=tmp_path / "store", tell=told.append)
    judged = [each for each in told if each.step]
    assert {each.step for each in judged} == {"score.judge"}
    rounds = {each.round for each in told if not each.step}
    assert rounds == set(range(1, version.manifest["rounds"] + 1))
    # The judge's cost is a part of what is told of a round, too.
    last = [each for each in told if not each.step][-1]
    before = told.index(last) - 1
    assert last.spent >= max(each.spent for each in told[:before] if each.step)
    assert max(each.spent for each in told) == Decimal(version.manifest["cost"]["usd"])
