import json
import re

import pytest

import datakit
from datakit.config import parse_pipeline
from datakit.errors import DatakitWarning, InputError, PipelineError
from datakit.llm.request import Sample
from datakit.llm.teacher import Teacher
from datakit.outcome import Rejected
from datakit.running.pipeline import Pipeline
from datakit.step import FileRef, StepError
from datakit.steps.generate.from_documents import FromDocuments
from datakit.steps.source.jsonl import JsonLines
from tests.documents.test_reading import lay, pdf
from tests.loopback import Plan, serve
from tests.steps.generate.asked import make

RIVER = "The river \u201cAa\u201d rises in the hills \u2014 near Muri. It runs\nnorth for {42} km."
LAKE = "The lake is <b>ninety</b> metres deep. Nobody has swum across it in winter."
TEXT = f"---\ntitle: Waters\n---\n{RIVER}\n\n{LAKE}\n"
QUOTE = '"Aa" rises in the hills - near Muri. It runs north'


def pairs(*items):
    return json.dumps({"pairs": list(items)})


def pair(quote=QUOTE, **changes):
    return {"question": "Where is {it}?", "answer": "In <the> hills.", "quote": quote} | changes


def shown(message):
    return re.search(r"<document>\n(.*)\n</document>", message, re.DOTALL)[1]


@pytest.fixture
def folder(tmp_path):
    return lay(tmp_path / "docs", a_md=TEXT, sub__b_txt="The second file is here. " * 3)


def test_what_is_sent(tmp_path, folder):
    step = FromDocuments(folder, min_quote=15, per_chunk=4)
    _, provider = make(tmp_path, step, lambda _: pairs(pair()))
    (request,), (message,) = provider.sent, provider.messages
    assert shown(message) == f"{RIVER}\n\n{LAKE}"
    assert "Write 4 questions" in message
    assert "at least 15 characters" in message
    assert len(re.findall(r'"question": "Question \d\?"', message)) == 2
    assert (request.temperature, request.max_tokens) == (0.7, 4 * 512)
    item = request.schema["properties"]["pairs"]["items"]
    assert item["required"] == ["question", "answer", "quote"]
    _, provider = make(tmp_path / "2", FromDocuments(folder, json_schema=False), lambda _: "{}")
    assert provider.sent[0].schema is None


@pytest.mark.parametrize(
    ("context", "given"), [("chunk", f"{RIVER}\n\n{LAKE}"), ("quote", RIVER), ("none", "")]
)
def test_the_span_is_that_of_the_file(tmp_path, folder, context, given):
    ((record,),), provider = make(
        tmp_path, FromDocuments(folder, context=context), lambda _: pairs(pair())
    )
    assert (record.instruction, record.output) == ("Where is {it}?", "In <the> hills.")
    assert record.input == given
    assert len(record.parents) == 2
    source = record.meta["source"]
    assert list(source) == ["file", "start", "end", "license", "quote"]
    assert source["file"] == "a.md"
    raw = (tmp_path / "docs/a.md").read_bytes().decode()
    assert raw[source["start"] : source["end"]] == source["quote"]
    assert source["quote"] == "\u201cAa\u201d rises in the hills \u2014 near Muri. It runs\nnorth"
    assert ("will not see the text" in provider.messages[0]) == (context == "none")


def test_what_is_not_in_the_chunk_is_not_believed(tmp_path, folder):
    said = pairs(
        pair("The river Bb rises in the hills"),
        pair("The second file is here."),  # of another chunk
        pair("The river ... in the hills"),
        pair("the hills"),
        pair(""),
        pair(question=" "),
        pair(answer=""),
        pair(quote=3),
        "text",
        pair(),
    )
    (made,), _ = make(tmp_path, FromDocuments(folder), lambda _: said)
    assert [each.drop.reason if isinstance(each, Rejected) else "" for each in made] == [
        *["ungrounded"] * 3,
        *["short_quote"] * 2,
        *["incomplete"] * 2,
        *["unparsable"] * 2,
        "",
    ]
    first, short, missing = made[0], made[3], made[5]
    assert first.drop.detail["quote"] == "The river Bb rises in the hills"
    assert first.drop.detail["file"] == "a.md"
    assert (first.record.instruction, first.record.output) == ("Where is {it}?", "In <the> hills.")
    assert TEXT[first.drop.detail["start"] : first.drop.detail["end"]] == f"{RIVER}\n\n{LAKE}"
    assert short.drop.detail == {"chars": 9, "min_quote": 20, "quote": "the hills"}
    assert missing.drop.detail == {"missing": "question"}
    assert all(each.record.parents for each in made[:-1])


@pytest.mark.parametrize(
    ("said", "reason", "requests"),
    [
        (pairs(), "no_question", 1),
        (Sample("No.", "refused"), "refused", 1),
        (Sample('{"pairs": [', "length"), "cut_short", 2),
        ("none", "unparsable", 2),
        ('{"pairs": "none"}', "unparsable", 2),
    ],
)
def test_an_answer_that_cannot_be_used(tmp_path, folder, said, reason, requests):
    ((each,),), provider = make(tmp_path, FromDocuments(folder), lambda _: said)
    assert (each.drop.reason, len(provider.sent)) == (reason, requests)
    assert each.record.meta["source"]["file"] == "a.md"
    assert each.record.parents


def test_chunks_have_their_turn_in_order_and_once(tmp_path, folder):
    step = FromDocuments(folder, chunk_chars=200, overlap_chars=0, min_quote=5)
    calls, provider = make(tmp_path, step, lambda _: pairs(), range(4))
    assert [shown(message)[:15] for message in provider.messages] == [
        "The river \u201cAa\u201d ",
        "The second file",
    ]
    assert [len(made) for made in calls] == [1, 1, 0, 0]
    again = FromDocuments(folder, chunk_chars=200, overlap_chars=0, min_quote=5, again=True)
    calls, provider = make(tmp_path / "2", again, lambda _: pairs(), range(4))
    first = [shown(message) for message in provider.messages]
    assert first[:2] == first[2:]
    assert provider.messages[:2] != provider.messages[2:]


def test_a_chunk_without_room_for_a_quote_is_not_asked_about(tmp_path):
    folder = lay(tmp_path / "docs", a_txt="Too short.", b_txt="This one is long enough for it.")
    _, provider = make(tmp_path, FromDocuments(folder), lambda _: pairs(), range(3))
    assert [shown(message) for message in provider.messages] == ["This one is long enough for it."]
    with pytest.raises(InputError, match="no document in it has 99 characters"):
        make(tmp_path, FromDocuments(folder, min_quote=99), lambda _: pairs())


def test_pages(tmp_path):
    pytest.importorskip("pypdf")
    lines = "The first page ends with a sen-", "tence that goes on for a while."
    folder = lay(tmp_path / "docs", a_pdf=pdf([lines[0]], [lines[1]], ["A third page is here."]))
    said = pairs(pair("ends with a sentence that"), pair("A third page is here."))
    (made,), _ = make(tmp_path, FromDocuments(f"{folder}/a.pdf"), lambda _: said)
    assert [record.meta["source"]["pages"] for record in made] == [[1, 2], [3]]
    assert made[0].meta["source"]["quote"] == "ends with a sen-\n\ntence that"


def test_the_same_log_gives_the_same_and_asks_nothing(tmp_path, folder):
    step = FromDocuments(folder)
    first, provider = make(tmp_path, step, lambda _: pairs(pair()), range(2))
    again, none = make(tmp_path, step, lambda _: pairs(pair()), range(2))
    assert again == first
    assert (len(provider.sent), none.sent) == (2, [])


def test_a_document_gives_no_orders_to_the_prompt(tmp_path):
    folder = lay(tmp_path / "docs", a_txt="A {chunk} and {count} and {examples} are only words.")
    _, provider = make(tmp_path, FromDocuments(folder), lambda _: pairs())
    assert shown(provider.messages[0]) == "A {chunk} and {count} and {examples} are only words."


def test_prompts_of_ones_own(tmp_path, folder):
    (tmp_path / "own.txt").write_text("{count} about {chunk}")
    step = FromDocuments(folder, prompts={"with_text": str(tmp_path / "own.txt")})
    _, provider = make(tmp_path, step, lambda _: pairs())
    assert provider.messages[0].startswith("3 about The river")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"path": "nowhere"}, r"from_documents\.path: nowhere: there is no such file or folder"),
        ({"path": "docs/none"}, "path: .*no file in this folder ends in"),
        ({"path": ""}, "path: name a file or a folder"),
        ({"overlap_chars": 1001}, "overlap_chars: must be at most half of chunk_chars, 1000"),
        ({"min_quote": 2001}, "min_quote: must be at most chunk_chars, 2000"),
        ({"context": "all"}, "context: must be one of chunk, quote, none"),
        ({"prompts": {"x": "y"}}, 'prompts: there is no prompt "x"'),
        ({"chunk_chars": 10}, "chunk_chars: "),
    ],
)
def test_wrong_fields(tmp_path, folder, monkeypatch, fields, words):
    (tmp_path / "docs/none").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StepError, match=words):
        FromDocuments(**({"path": "docs"} | fields))


PIPELINE = """
name: docs
seeds: seeds.jsonl
target: 50
round_size: 4
teacher: {{provider: openai, model: m, base_url: "{url}"}}
steps:
  - generate.from_documents: {{path: docs, chunk_chars: 200, overlap_chars: 20}}
"""


def test_a_run_with_the_real_sdk_goes_through_the_documents_once(tmp_path, monkeypatch):
    sentences = [f"Number {at} of the list is a thing called {at * 7}." for at in range(30)]
    lay(tmp_path / "docs", a_md=TEXT, b_html=f"<p>{' '.join(sentences)}</p>", c_csv="x")
    rows = [{"instruction": f"Name {at}.", "output": f"It is {at}."} for at in range(3)]
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")

    def said(asked, chance, *_, **__):
        words = shown(asked).split()
        at = chance.randrange(len(words) - 9)
        made = [pair(" ".join(words[at : at + 9]), question=f"What is {chance.random()}?")]
        return pairs(*made, pair("what was never written there"))

    monkeypatch.setattr("tests.loopback._chat", said)
    with serve() as server:
        (tmp_path / "p.yaml").write_text(PIPELINE.format(url=server.url))
        with pytest.warns(DatakitWarning, match=r"do not end in .*: c\.csv") as caught:
            version = datakit.run(tmp_path / "p.yaml", store=tmp_path / "store")
        sent = len(server.answered())
    kinds = [each.category for each in caught]
    assert kinds.count(DatakitWarning) == 1, "the folder is read once"
    records = [record for record in version.records() if "source" in record.meta]
    assert {each["path"] for each in version.manifest["inputs"]} == {"docs"}
    assert version.manifest["ended"] == "novelty"
    assert len(records) == sent > 8
    assert {record.meta["source"]["file"] for record in records} == {"a.md", "b.html"}
    assert [drop["reason"] for _, drop in version.iter_dropped()] == ["ungrounded"] * sent
    assert version.verify() == []


@pytest.mark.parametrize(
    ("documents", "joint"), [("CC-BY-SA-4.0", "CC-BY-SA-4.0 AND CC0-1.0"), (None, "NOASSERTION")]
)
def test_records_have_the_documents_licence_too(tmp_path, folder, documents, joint):
    row = {"instruction": "Name it.", "output": "It is.", "meta": {"license": "CC0-1.0"}}
    (tmp_path / "seeds.jsonl").write_text(json.dumps(row) + "\n")
    with serve(Plan(reply=lambda _: pairs(pair()))) as server:
        asked = Pipeline(
            "licensed",
            (FromDocuments(folder, examples=1, license=documents),),
            seeds=JsonLines(FileRef(str(tmp_path / "seeds.jsonl"))),
            max_candidates=2,
            teacher=Teacher(provider="openai", model="m", base_url=server.url),
        )
        version = datakit.run(asked, store=tmp_path / "store")
    made = [record for record in version if record.parents]
    assert made
    assert {record.meta["license"] for record in made} == {joint}


def test_a_bad_file_ends_a_run_before_anything_is_sent(tmp_path, monkeypatch):
    lay(tmp_path / "docs", a_md=TEXT, b_txt=b"\xff")
    (tmp_path / "seeds.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with serve() as server:
        (tmp_path / "p.yaml").write_text(PIPELINE.format(url=server.url))
        with pytest.raises(InputError, match=r"b\.txt: not UTF-8"):
            datakit.run(tmp_path / "p.yaml", store=tmp_path / "store")
        assert server.answered() == []


def test_in_a_pipeline(tmp_path, folder):
    (tmp_path / "seeds.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    text = "name: a\nseeds: seeds.jsonl\ntarget: 5\nsteps:\n  - generate.from_documents: "
    (step,) = parse_pipeline(text + "docs\n", folder=tmp_path).steps
    assert step.path == folder
    (step,) = parse_pipeline(text + "{path: docs/a.md, context: none}\n", folder=tmp_path).steps
    assert (step.path, step.context) == (f"{folder}/a.md", "none")
    with pytest.raises(PipelineError, match=r'there is no such file: .*did you mean "docs"'):
        parse_pipeline(text + "{path: docz}\n", folder=tmp_path)
    with pytest.raises(PipelineError, match="path is missing"):
        parse_pipeline(text + "{}\n", folder=tmp_path)
