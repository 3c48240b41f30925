"""Requests out, answers in: the run by hand is the run of the batch API, byte for byte."""

import json
import random

import pytest

import datakit as dk
from datakit.errors import InputError
from datakit.llm.log import ResponseLog
from datakit.store import Store
from tests.ablation.test_replayed import reply
from tests.batching import batching
from tests.loopback import Plan, answer, serve
from tests.running.steps import TRIPLES

PIPELINE = """
name: byhand
{start}
teacher: {{provider: {provider}, model: m, base_url: "{url}", mode: {mode}, poll: 0.02, {price}}}
steps:
{steps}
"""
PRICE = 'price: {input: "3", output: "15"}'
GROWN = """  - generate.self_instruct: {{{own}}}
  - score.judge: {{temperature: null}}
  - filter.where: judge >= 3
  - dedup.exact
"""
PROVIDERS = ["openai", "anthropic", "together"]
NO_KEYS = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "TOGETHER_API_KEY"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("datakit.llm.batches._LINGER", 0.05)
    for name in NO_KEYS:
        monkeypatch.delenv(name, raising=False)


def written(folder, provider, url="http://127.0.0.1:9/v1", mode="live", steps=None):
    folder.mkdir(exist_ok=True)
    rows = [{"instruction": f"Name thing {at}.", "output": f"Thing {at}."} for at in range(6)]
    (folder / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = {"per_request": 3, **TRIPLES}
    if provider == "anthropic":
        own |= {"temperature": None, "top_p": None}
    listed = ", ".join(f"{key}: {json.dumps(value)}" for key, value in own.items())
    path = folder / "p.yaml"
    start = "seeds: seeds.jsonl\ntarget: 12\nround_size: 6\nmax_candidates: 90"
    if steps is not None:
        start = "source: seeds.jsonl"
    text = PIPELINE.format(
        provider=provider,
        url=url,
        mode=mode,
        price=PRICE,
        start=start,
        steps=steps or GROWN.format(own=listed),
    )
    path.write_text(text)
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def answered(row, provider, plan):
    """Returns the line of answers that a provider gives to a line of requests."""
    body = row.get("params") or row["body"]
    path = "/v1/messages" if provider == "anthropic" else row.get("url", "/v1/chat/completions")
    chance = random.Random(json.dumps(body, sort_keys=True))
    made = answer(path, body, chance, "", plan.reply)
    if provider == "anthropic":
        return {
            "custom_id": row["custom_id"],
            "result": {"type": "succeeded", "message": made},
        }
    response = {"status_code": 200, "request_id": "r", "body": made}
    return {"id": "x", "custom_id": row["custom_id"], "response": response, "error": None}


def carried(path, folder, provider, plan, store="d"):
    """Carries requests and answers to and fro until there is a version."""
    asked, given, rounds = folder / "asked.jsonl", folder / "given.jsonl", 0
    while True:
        done = dk.export_batch(path, asked, store=folder / store)
        if done.version is not None:
            return done.version, rounds
        rounds += 1
        assert rounds < 30
        rows = [answered(row, provider, plan) for row in lines(asked)]
        assert [each.requests for each in done.files] == [len(rows)]
        random.Random(rounds).shuffle(rows)
        given.write_text("".join(json.dumps(row) + "\n" for row in rows))
        taken = dk.import_batch(path, [given], store=folder / store)
        assert (taken.taken, taken.left) == (len(rows), 0)


def data(version):
    return version.data_path.read_bytes(), (version.path / "dropped.jsonl").read_bytes()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_needs_no_key_and_ends_in_a_version(tmp_path, provider):
    plan = Plan(reply=reply)
    version, rounds = carried(written(tmp_path, provider), tmp_path, provider, plan)
    assert len(version) >= 12
    # A round has one file for what is made, and one for how that is judged.
    assert rounds >= 2 * version.manifest["rounds"]
    assert version.verify() == []
    cost = version.manifest["cost"]
    assert cost["by_hand"] == 0
    assert float(cost["usd"]) > 0
    assert dk.run(tmp_path / "p.yaml", store=tmp_path / "d").ref == version.ref


def test_all_that_is_gathered_at_once_is_what_a_batch_would_have(tmp_path):
    # The same answers, by hand and by the API: the files of the one are given to the other.
    with batching() as (server, taken):
        server.plan.reply = reply
        path = written(tmp_path / "api", "openai", server.url, mode="batch")
        whole = dk.run(path, store=tmp_path / "api" / "d")
        log = ResponseLog(tmp_path / "api" / "d" / "byhand" / "responses.jsonl")
        path = written(tmp_path / "hand", "openai", server.url, mode="batch")
        asked, given = tmp_path / "asked.jsonl", tmp_path / "given.jsonl"
        store, sent = tmp_path / "hand" / "d", []
        while (done := dk.export_batch(path, asked, store=store)).version is None:
            rows = lines(asked)
            sent += [{row["custom_id"]: row["body"] for row in rows}]
            with given.open("w") as file:
                for row in rows:
                    said = log.get(row["custom_id"])
                    assert said is not None, "a request that the API was not sent"
                    file.write(json.dumps(as_line(row, said)) + "\n")
            dk.import_batch(path, [given], store=store)
        log.close()
        assert data(done.version) == data(whole)
        assert done.version.manifest["cost"]["usd"] == whole.manifest["cost"]["usd"]
        both = [{k: v for each in part for k, v in each.items()} for part in (sent, bodies(taken))]
        assert both[0] == both[1]


def bodies(taken):
    return [each.bodies for each in taken]


def as_line(row, said):
    usage = {
        "prompt_tokens": said.usage.input_tokens,
        "completion_tokens": said.usage.output_tokens,
    }
    choices = [
        {"index": at, "message": {"content": each.text}, "finish_reason": each.finish}
        for at, each in enumerate(said.samples)
    ]
    body = {"choices": choices, "usage": usage}
    return {"custom_id": row["custom_id"], "response": {"status_code": 200, "body": body}}


def test_a_chat_window_will_do(tmp_path):
    path = written(tmp_path, "openai", steps="  - generate.distill: {max_tokens: 64}\n")
    asked = tmp_path / "asked.jsonl"
    assert dk.export_batch(path, asked, store=tmp_path / "d").files[0].requests == 6
    rows = lines(asked)
    texts = [
        {"custom_id": row["custom_id"], "text": f"A boat, {at}."} for at, row in enumerate(rows)
    ]
    given = tmp_path / "typed.jsonl"
    given.write_text("".join(json.dumps(row) + "\n" for row in texts[:4]))
    done = dk.import_batch(path, [given], store=tmp_path / "d")
    assert (done.taken, done.left) == (4, 2)
    # The rest under the same names; what is there already is no mistake.
    assert dk.export_batch(path, asked, store=tmp_path / "d").files[0].requests == 2
    assert lines(asked) == rows[4:]
    table = tmp_path / "typed.csv"
    cells = (f'{row["custom_id"]},"{row["text"]}"\n' for row in texts)
    table.write_text("custom_id,text\n" + "".join(cells))
    done = dk.import_batch(path, [table], store=tmp_path / "d")
    assert (done.taken, done.there, done.left) == (2, 4, 0)
    version = dk.export_batch(path, asked, store=tmp_path / "d").version
    assert sorted(each.output for each in version) == sorted(row["text"] for row in texts)
    cost = version.manifest["cost"]
    assert (cost["by_hand"], cost["requests"], float(cost["usd"])) == (6, 6, 0.0)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"custom_id": "someone-elses", "text": "x"}, "is no request of this pipeline"),
        ({"text": "x"}, "has no custom_id"),
        ({"custom_id": "KEY", "text": 7}, "must be a text"),
        ({"custom_id": "KEY", "text": ["a", "b"]}, "has 2 answers; 1 were asked for"),
        ({"custom_id": "KEY", "response": {"status_code": 200, "body": {}}}, "is no answer"),
        ({"custom_id": "TAKEN", "text": "again"}, "a second time"),
    ],
)
def test_a_wrong_line_is_told_and_nothing_is_taken(tmp_path, line, says):
    path = written(tmp_path, "openai", steps="  - generate.distill\n")
    asked, given = tmp_path / "asked.jsonl", tmp_path / "given.jsonl"
    dk.export_batch(path, asked, store=tmp_path / "d")
    names = [row["custom_id"] for row in lines(asked)]
    key = {"KEY": names[1], "TAKEN": names[0]}.get(line.get("custom_id"), line.get("custom_id"))
    rows = [{"custom_id": names[0], "text": "fine"}, line | ({"custom_id": key} if key else {})]
    given.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError) as caught:
        dk.import_batch(path, [given], store=tmp_path / "d")
    assert f"{given}:2: " in str(caught.value)
    assert says in str(caught.value)
    assert "Nothing was taken." in str(caught.value)
    assert dk.export_batch(path, asked, store=tmp_path / "d").files[0].requests == 6


def test_what_failed_stays_open_and_what_is_refused_is_dropped(tmp_path):
    path = written(tmp_path, "openai", steps="  - generate.distill\n")
    asked, given = tmp_path / "asked.jsonl", tmp_path / "given.jsonl"
    dk.export_batch(path, asked, store=tmp_path / "d")
    names = [row["custom_id"] for row in lines(asked)]
    rows = [{"custom_id": each, "text": "A boat."} for each in names[2:]]
    refused = {"status_code": 400, "body": {"error": {"message": "not with us"}}}
    rows.append({"custom_id": names[0], "response": refused})
    rows.append({"custom_id": names[1], "response": None, "error": {"code": "batch_expired"}})
    given.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = dk.import_batch(path, [given], store=tmp_path / "d")
    assert (done.taken, done.refused, done.unanswered, done.left) == (5, 1, 1, 1)
    assert dk.export_batch(path, asked, store=tmp_path / "d").files[0].requests == 1
    assert [row["custom_id"] for row in lines(asked)] == [names[1]]
    given.write_text(json.dumps({"custom_id": names[1], "text": "Late."}) + "\n")
    dk.import_batch(path, [given], store=tmp_path / "d")
    version = dk.export_batch(path, asked, store=tmp_path / "d").version
    assert len(version) == 5
    reasons = [drop["reason"] for _, drop in version.iter_dropped()]
    assert [each for each in reasons if each != "revised"] == ["refused"]


def test_several_teachers_have_a_file_each(tmp_path):
    steps = (
        "  - generate.distill\n"
        "  - score.judge: {temperature: null, teacher: "
        "{provider: anthropic, model: j, base_url: 'http://127.0.0.1:9'}}\n"
    )
    path = written(tmp_path, "openai", steps=steps)
    asked, given = tmp_path / "asked.jsonl", tmp_path / "given.jsonl"
    (file,) = dk.export_batch(path, asked, store=tmp_path / "d").files
    rows = lines(file.path)
    assert (file.path.name, file.teacher) == ("asked.1.jsonl", "openai/m")
    # Half of them answered: these can be judged, while the other half still waits.
    half = [{"custom_id": row["custom_id"], "text": "A boat."} for row in rows[:3]]
    given.write_text("".join(json.dumps(row) + "\n" for row in half))
    dk.import_batch(path, [given], store=tmp_path / "d")
    one, two = dk.export_batch(path, asked, store=tmp_path / "d").files
    assert (one.path.name, one.requests, two.path.name, two.requests) == (
        "asked.1.jsonl", 3, "asked.2.jsonl", 3,
    )  # fmt: skip
    assert two.teacher == "anthropic/j"
    assert set(lines(two.path)[0]) == {"custom_id", "params"}


def test_a_step_that_sees_all_records_waits_for_all(tmp_path):
    steps = "  - generate.distill\n  - dedup.exact\n  - score.judge: {temperature: null}\n"
    path = written(tmp_path, "openai", steps=steps)
    asked, given = tmp_path / "asked.jsonl", tmp_path / "given.jsonl"
    dk.export_batch(path, asked, store=tmp_path / "d")
    names = [row["custom_id"] for row in lines(asked)]
    given.write_text(json.dumps({"custom_id": names[0], "text": "A boat."}) + "\n")
    dk.import_batch(path, [given], store=tmp_path / "d")
    (file,) = dk.export_batch(path, asked, store=tmp_path / "d").files
    assert file.requests == 5


def test_samples_that_a_provider_gives_one_by_one_are_gathered_at_once(tmp_path):
    steps = "  - generate.distill: {samples: 3, temperature: null}\n"
    path = written(tmp_path, "anthropic", steps=steps)
    (file,) = dk.export_batch(path, tmp_path / "asked.jsonl", store=tmp_path / "d").files
    assert file.requests == 18


def test_the_embedded_model_may_run_elsewhere(tmp_path):
    path = written(tmp_path, "openai", steps="  - generate.distill\n")
    text = path.read_text()
    start = text.index("teacher:")
    end = text.index("\n", start)
    path.write_text(text[:start] + "teacher: {provider: embedded}" + text[end:])
    (file,) = dk.export_batch(path, tmp_path / "asked.jsonl", store=tmp_path / "d").files
    assert file.teacher == "embedded/SmolLM2-135M-Instruct"
    row = lines(tmp_path / "asked.jsonl")[0]
    assert row["url"] in ("/v1/chat/completions", "/v1/completions")
    assert row["body"]["model"]


def test_a_pipeline_that_asks_nobody_is_told(tmp_path):
    path = written(tmp_path, "openai", steps="  - dedup.exact\n")
    with pytest.raises(InputError, match="asks no teacher"):
        dk.export_batch(path, tmp_path / "asked.jsonl", store=tmp_path / "d")


def test_a_failed_export_leaves_the_earlier_file(tmp_path):
    path = written(tmp_path, "openai", steps="  - generate.distill\n")
    asked = tmp_path / "asked.jsonl"
    dk.export_batch(path, asked, store=tmp_path / "d")
    before = asked.read_bytes()
    with pytest.raises(InputError, match="cannot be written"):
        dk.export_batch(path, tmp_path / "no" / "asked.jsonl", store=tmp_path / "d")
    assert asked.read_bytes() == before
    assert Store(tmp_path / "d").names() == []


def test_what_was_asked_live_is_not_asked_again(tmp_path):
    with serve(Plan(reply=reply)) as server:
        path = written(tmp_path, "openai", server.url)
        version = dk.run(path, store=tmp_path / "d")
    done = dk.export_batch(path, tmp_path / "a.jsonl", store=tmp_path / "d")
    assert (done.version.ref, done.new) == (version.ref, False)


def test_a_step_that_works_in_batches_loses_no_answered_record(tmp_path):
    steps = (
        "  - generate.distill\n  - filter.length: {min_chars: 1}\n"
        "  - score.judge: {temperature: null}\n"
    )
    path = written(tmp_path, "openai", steps=steps)
    rows = [{"instruction": f"Name thing {at}.", "output": ""} for at in range(300)]
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked, given = tmp_path / "asked.jsonl", tmp_path / "given.jsonl"
    dk.export_batch(path, asked, store=tmp_path / "d")
    names = [row["custom_id"] for row in lines(asked)]
    said = [{"custom_id": each, "text": f"A boat, {each}."} for each in names[1:]]
    given.write_text("".join(json.dumps(row) + "\n" for row in said))
    dk.import_batch(path, [given], store=tmp_path / "d")
    (file,) = dk.export_batch(path, asked, store=tmp_path / "d").files
    # The one that waits, and what is asked next about all others.
    assert file.requests == 1 + 299


def test_where_all_is_refused_nothing_is_taken(tmp_path):
    path = written(tmp_path, "openai", steps="  - generate.distill\n")
    asked, given = tmp_path / "asked.jsonl", tmp_path / "given.jsonl"
    dk.export_batch(path, asked, store=tmp_path / "d")
    refused = {"status_code": 400, "body": {"error": {"message": "no such model"}}}
    rows = [{"custom_id": row["custom_id"], "response": refused} for row in lines(asked)]
    given.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match="All 6 requests were refused: no such model"):
        dk.import_batch(path, [given], store=tmp_path / "d")
    assert dk.export_batch(path, asked, store=tmp_path / "d").files[0].requests == 6


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"error": "timeout"}, "unanswered"),
        ({"response": {"status_code": 500, "body": {"error": "oh"}}}, "unanswered"),
        ({"response": {"status_code": 500, "body": "oh"}}, "unanswered"),
    ],
)
def test_odd_lines_without_an_answer_stay_open(tmp_path, line, says):
    path = written(tmp_path, "openai", steps="  - generate.distill\n")
    asked, given = tmp_path / "asked.jsonl", tmp_path / "given.jsonl"
    dk.export_batch(path, asked, store=tmp_path / "d")
    given.write_text(json.dumps({"custom_id": lines(asked)[0]["custom_id"], **line}) + "\n")
    done = dk.import_batch(path, [given], store=tmp_path / "d")
    assert (getattr(done, says), done.left) == (1, 6)


def test_what_a_run_has_submitted_is_not_written_out(tmp_path):
    path = written(tmp_path, "openai", steps="  - generate.distill\n")
    asked = tmp_path / "asked.jsonl"
    dk.export_batch(path, asked, store=tmp_path / "d")
    key = lines(asked)[0]["custom_id"]
    row = {"token": "t", "id": "b", "requests": {key: {}}}
    (tmp_path / "d" / "byhand").mkdir(parents=True, exist_ok=True)
    (tmp_path / "d" / "byhand" / "batches.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match=r"1 request of these were submitted.*batches\.jsonl"):
        dk.export_batch(path, asked, store=tmp_path / "d")
    with pytest.raises(InputError, match="is a folder"):
        dk.export_batch(path, tmp_path, store=tmp_path / "d")


def test_what_no_batch_takes_is_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("datakit.offline.exporting.MOST", 4)
    path = written(tmp_path, "openai", steps="  - score.judge\n")
    done = dk.export_batch(path, tmp_path / "asked.jsonl", store=tmp_path / "d")
    names = ["asked.part1.jsonl", "asked.part2.jsonl"]
    assert [(each.path.name, each.requests) for each in done.files] == list(
        zip(names, (4, 2), strict=True)
    )
    plan = Plan(reply=reply)
    rows = [row for name in names for row in lines(tmp_path / name)]
    assert len({row["custom_id"] for row in rows}) == 6
    given = tmp_path / "given.jsonl"
    given.write_text("".join(json.dumps(answered(row, "openai", plan)) + "\n" for row in rows))
    assert dk.import_batch(path, [given], store=tmp_path / "d").left == 0
    assert dk.export_batch(path, tmp_path / "asked.jsonl", store=tmp_path / "d").version
