"""A model behind a URL, on a server of ours."""

import json

import pytest

from datakit.errors import DatakitWarning, InputError, ProviderError
from tests.loopback import Fault, Plan, serve
from trainers.evaluate.subject import open_subject, shown_model
from trainers.examples import Chat

PROMPTS = [({"role": "user", "content": f"Question {at}?"},) for at in range(12)]


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_answers_come_in_order_and_greedily():
    with serve(Plan(jitter=0.02)) as server:
        subject = open_subject(f"{server.url}#m", batch=4)
        told = []
        subject.note = told.append
        answers = subject.generate(PROMPTS, max_new_tokens=5)
        assert answers == subject.generate(PROMPTS, max_new_tokens=5)
        assert subject.generate(PROMPTS[3:4], max_new_tokens=5) == answers[3:4]
        sent = server.answered()[0]["sent"]
    assert len(set(answers)) == 12 and all(len(each.split()) <= 5 for each in answers)
    assert (sent["model"], sent["temperature"], sent["max_tokens"]) == ("m", 0.0, 5)
    assert told[11] == "12 of 12 answered"
    assert (subject.name, subject.adapter) == (f"{server.url}#m", False)
    with subject.without_adapter():
        subject.close()


def test_requests_in_flight_are_bounded():
    with serve(Plan(jitter=0.05)) as server:
        most = []

        def note(text):
            most.append(server.busy())

        subject = open_subject(f"{server.url}#m", batch=2)
        subject.note = note
        subject.generate(PROMPTS)
    assert max(most) <= 2


def test_the_key_is_that_of_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    plan = Plan([Fault("unauthorized", message="no such key: {key}")])
    with serve(plan) as server, pytest.raises(ProviderError, match=r"no such key: \*\*\*"):
        open_subject(f"{server.url}#m").generate(PROMPTS[:1])


def test_what_passes_is_sent_again():
    with serve(Plan([Fault("rate_limit", times=1)])) as server:
        answers = open_subject(f"{server.url}#m").generate(PROMPTS[:3])
    assert all(answers)


def test_some_requests_are_refused():
    plan = Plan([Fault("bad_request", share=0.4)])
    with serve(plan) as server:
        with pytest.warns(DatakitWarning, match="requests were refused; they count as empty"):
            answers = open_subject(f"{server.url}#m").generate(PROMPTS)
        assert 0 < answers.count("") < 12
        plan.faults[:] = [Fault("bad_request")]
        with pytest.raises(ProviderError, match="refuses every request"):
            open_subject(f"{server.url}#m").generate(PROMPTS)


def test_a_server_that_is_not_there(monkeypatch):
    with serve() as server:
        url = server.url
    monkeypatch.setattr("trainers.evaluate.served._RETRIES", 0)
    with pytest.raises(ProviderError, match="does not answer"):
        open_subject(f"{url}#m").generate(PROMPTS)
    with pytest.raises(ProviderError, match="does not answer"):
        open_subject(url)


def test_likelihoods_are_refused():
    chat = Chat("c", (*PROMPTS[0], {"role": "assistant", "content": "Yes."}))
    with pytest.raises(InputError, match="does not tell the likelihood"):
        open_subject("http://127.0.0.1:9/v1#m").nll([chat])


def test_a_query_is_refused_and_not_told():
    # The SDK would ask for /v1?key=s3cretchat/completions.
    with pytest.raises(InputError, match=r"^http://127\.0\.0\.1:9/v1#m: leave out") as error:
        open_subject("http://127.0.0.1:9/v1?key=s3cret#m")
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://h/v1?key=s3cret#m", "http://h/v1#m"),
        ("https://u:s3cret@h:8/v1?a=s3cret&b#m?n@o", "https://h:8/v1#m?n@o"),
        ("https://s3cret@h", "https://h"),
        ("http://h:8000/v1#a/b@c", "http://h:8000/v1#a/b@c"),
        ("runs/what?key=1", "runs/what?key=1"),
        ("owner/name@main", "owner/name@main"),
    ],
)
def test_what_is_shown_of_a_model(text, shown):
    assert shown_model(text) == shown


@pytest.mark.parametrize(
    ("models", "says"),
    [(["a", "b"], "it has a, b. Write which one is meant after a #"), (None, "does not tell")],
)
def test_which_model_is_meant_must_be_known(monkeypatch, models, says):
    with serve() as server:
        if models:
            data = [{"id": name, "object": "model"} for name in models]
            page = json.dumps({"object": "list", "data": data}).encode()
            monkeypatch.setattr(
                "tests.loopback._Handler.do_GET", lambda self: self._send(200, page)
            )
        with pytest.raises(InputError, match=says):
            open_subject(server.url)


def test_the_only_model_needs_no_name(monkeypatch):
    page = b'{"object": "list", "data": [{"id": "only", "object": "model"}]}'
    with serve() as server:
        monkeypatch.setattr("tests.loopback._Handler.do_GET", lambda self: self._send(200, page))
        open_subject(f"{server.url}/").generate(PROMPTS[:1])
        assert server.answered()[0]["sent"]["model"] == "only"
