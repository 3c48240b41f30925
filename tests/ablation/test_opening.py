import dataclasses

import pytest

from datakit import api
from datakit.ablation import open_ablation
from datakit.errors import InputError
from datakit.llm.log import ResponseLog
from datakit.steps.filter.length import Length
from tests.ablation.runs import STEPS, finished, pipeline
from tests.loopback import serve


def lines(records):
    return [record.to_line() for record in records]


def test_a_run_that_its_budget_ended(tmp_path):
    asked, version = finished(tmp_path, budget="0.02", target=200)
    assert version.manifest["interrupted"] == "budget"
    assert version.manifest["rounds"] > 1
    with open_ablation(asked, store=tmp_path / "store") as lab:
        assert lines(lab.all().records) == lines(version)
        assert lab.costs()[0].requests == version.manifest["cost"]["requests"]
        rerun = lab.rerun("filter.length")
        assert not rerun.free


def test_an_older_version_is_rebuilt_from_the_log_of_its_time(tmp_path):
    store = tmp_path / "store"
    with serve() as server:
        asked = pipeline(tmp_path, server, target=20)
        first = api.run(asked, store=store)
        server.plan.salt = "another"
        second = api.run(asked, store=store, fresh=True)
    assert lines(first) != lines(second)
    for version in (first, second):
        with open_ablation(asked, store=store, version=version.ref) as lab:
            assert lines(lab.all().records) == lines(version)
    with open_ablation(asked, store=store) as lab:
        assert lab.ref == second.ref


def test_a_log_that_lacks_answers(tmp_path):
    asked, _ = finished(tmp_path, target=20)
    store = tmp_path / "store"
    path = store / "grown" / "responses.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match=r"cannot be rebuilt exactly: .* lacks answers"):
        open_ablation(asked, store=store)
    path.unlink()
    with pytest.raises(InputError, match="has no log of responses"):
        open_ablation(asked, store=store)


def test_a_log_that_is_being_written_is_left_as_it_is(tmp_path):
    asked, _ = finished(tmp_path, target=20)
    path = tmp_path / "store" / "grown" / "responses.jsonl"
    with open(path, "ab") as file:
        file.write(b"0123456789abcdef {half a li")
    before = path.read_bytes()
    with open_ablation(asked, store=tmp_path / "store") as lab:
        assert len(lab.all()) > 8
    assert path.read_bytes() == before


def test_answers_that_were_changed(tmp_path):
    asked, _ = finished(tmp_path, target=20)
    path = tmp_path / "store" / "grown" / "responses.jsonl"
    with ResponseLog(path) as log:
        key = next(iter(log._where))
        response = log.get(key)
        sample = dataclasses.replace(response.samples[0], text="[]")
    whole = path.read_bytes()
    with ResponseLog(path) as log:
        # Of two answers to one request the later one counts.
        request = _Payload()
        log.append(key, request, dataclasses.replace(response, samples=(sample,)))
    assert path.read_bytes() != whole
    with pytest.raises(InputError, match="grown@v1: cannot be rebuilt exactly"):
        open_ablation(asked, store=tmp_path / "store")


class _Payload:
    def payload(self):
        return {}


def test_another_recipe(tmp_path):
    asked, _ = finished(tmp_path, target=20)
    steps = (*STEPS[:3], Length(min_chars=11), *STEPS[4:])
    with pytest.raises(InputError, match=r"is not the recipe of any version of grown .*grown@v1"):
        open_ablation(dataclasses.replace(asked, steps=steps), store=tmp_path / "store")
    with pytest.raises(InputError, match="is not the recipe of grown@v1"):
        open_ablation(
            dataclasses.replace(asked, random_seed=1), store=tmp_path / "store", version="grown@v1"
        )


def test_a_damaged_version(tmp_path):
    asked, version = finished(tmp_path, target=20)
    with open(version.data_path, "ab") as file:
        file.write(b"{}\n")
    with pytest.raises(InputError, match="was changed after it was written"):
        open_ablation(asked, store=tmp_path / "store")


def test_a_source_that_has_changed_is_another_recipe(tmp_path):
    asked, _ = finished(tmp_path, target=20)
    path = tmp_path / "seeds.jsonl"
    path.write_bytes(path.read_bytes().replace(b"boat", b"ship"))
    with pytest.raises(InputError, match="is not the recipe"):
        open_ablation(asked, store=tmp_path / "store")


def test_no_key_is_needed(tmp_path, monkeypatch):
    monkeypatch.setenv("A_KEY_OF_TEST", "secret")
    store = tmp_path / "store"
    with serve() as server:
        asked = pipeline(tmp_path, server, target=20)
        teacher = dataclasses.replace(asked.teacher, api_key_env="A_KEY_OF_TEST")
        asked = dataclasses.replace(asked, teacher=teacher)
        version = api.run(asked, store=store)
    monkeypatch.delenv("A_KEY_OF_TEST")
    with pytest.raises(InputError, match="A_KEY_OF_TEST"):
        api.prepare(asked, store=store)
    with open_ablation(asked, store=store) as lab:
        assert lines(lab.all().records) == lines(version)
