import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from datakit.curate import Answer, PairSheet, RatingServer, read_answers
from datakit.curate.server import MAX_BODY
from tests.curate.sheets import NAMES, Client, pairs, sheet_and_log


@pytest.fixture
def served(tmp_path):
    sheet, log = sheet_and_log(tmp_path)
    with log, RatingServer(sheet, log) as server:
        yield server, Client(server.url), sheet, log


def test_a_rating_from_the_first_pair_to_the_result(served):
    server, client, sheet, log = served
    assert client.state()["answers"] == [None] * 4
    shown = json.loads(client.ask("GET", "item?at=2")[2])
    assert set(shown) == {"prompt", "left", "right"}
    for at, choice in enumerate(["left", "right", "tie", "skip"]):
        status, state = client.answer(at, choice, "because")
        assert (status, state["answers"][at], state["last"]) == (200, choice, at)
        assert state["last_note"] == "because"
        assert log.answers[sheet.ids[at]] == Answer(choice, "because")
    assert not server.wait(0)
    status, _, content = client.ask("POST", "finish", {})
    result = json.loads(content)["result"]
    assert (status, result["names"]) == (200, list(NAMES))
    assert result["n"] == 3
    assert server.wait(5)


def test_nothing_that_the_browser_gets_has_the_names_before_the_end(served):
    _, client, *_ = served
    client.ask("GET", "")
    for at in range(4):
        client.ask("GET", f"item?at={at}")
        client.answer(at, "left")
        client.answer(at, None)
        client.answer(at, "left")
    client.ask("POST", "finish", {}, Origin="http://evil.example")
    client.state()
    assert b"Question 1?" in client.replies
    for secret in (*NAMES, '"outputs"', '"names"', '"key"'):
        assert secret.encode() not in client.replies
    client.ask("POST", "finish", {})
    assert b"maker-one" in client.replies


def test_the_sides_are_as_the_file_has_them(served):
    _, client, sheet, _ = served
    for at, pair in enumerate(pairs(4).shown):
        assert sheet.ids[at] == pair.id
        shown = json.loads(client.ask("GET", f"item?at={at}")[2])
        assert (shown["left"], shown["right"]) == (
            pair.outputs[pair.left],
            pair.outputs[1 - pair.left],
        )


@pytest.mark.parametrize(
    "path", ["/", "/x/", "//", "//[", "/%2e%2e/", "http://[", "/\u00e9/", "TOKEN", "/TOKENx/"]
)
def test_without_the_token_there_is_nothing(served, path):
    _, client, _, log = served
    path = path.replace("/TOKENx/", client.path[:-2] + "/").replace("TOKEN", client.path[:-1])
    for name in ("", "state", "item?at=0"):
        line = f"GET {path}{name} HTTP/1.1\r\nHost: {client.authority}\r\n\r\n"
        assert raw(client, line.encode()).split()[1] in (b"404", b"400")
    status, _, content = client.ask("POST", "answer", {"at": 0, "answer": "left"}, path="/x/")
    assert (status, json.loads(content)) == (404, {"error": "there is no such page"})
    assert log.answers == {}


def raw(client, sent):
    import socket

    host, port = client.authority.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as link:
        link.sendall(sent)
        link.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: link.recv(65536), b""))


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1.evil.example:PORT", None, ""]
)
def test_a_foreign_host_is_refused(served, host):
    _, client, _, log = served
    host = host and host.replace("PORT", client.authority.split(":")[1])
    assert client.ask("GET", "", Host=host)[0] == 403
    body = {"at": 0, "answer": "left"}
    assert client.ask("POST", "answer", body, Host=host, Origin=f"http://{host}")[0] == 403
    assert log.answers == {}


def test_localhost_is_this_machine(served):
    _, client, *_ = served
    assert (
        client.ask("GET", "state", Host=client.authority.replace("127.0.0.1", "localhost"))[0]
        == 200
    )


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", None, "https://HOST", "HOST", "http://localhost"]
)
def test_a_foreign_origin_is_refused(served, origin):
    _, client, _, log = served
    origin = origin and origin.replace("HOST", client.authority)
    body = {"at": 0, "answer": "left"}
    assert client.ask("POST", "answer", body, Origin=origin)[0] == 403
    assert client.ask("POST", "finish", {}, Origin=origin)[0] == 403
    assert log.answers == {}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_what_a_form_could_send_is_refused(served, kind):
    _, client, _, log = served
    assert client.ask("POST", "answer", {"at": 0, "answer": "left"}, Content_Type=kind)[0] == 415
    assert log.answers == {}


def test_a_large_body_is_refused_unread(served):
    _, client, _, log = served
    status, headers, _ = client.ask("POST", "answer", b"", Content_Length=str(MAX_BODY + 1))
    assert (status, headers["Connection"]) == (413, "close")
    assert client.ask("POST", "answer", b"", Content_Length="9" * 5000)[0] == 413
    note = {"at": 0, "answer": "left", "note": "x" * 5000}
    assert client.ask("POST", "answer", note)[0] == 400
    assert log.answers == {}


@pytest.mark.parametrize("length", ["-1", "1e3", "\u0661", "", None])
def test_a_body_without_a_length_is_refused(served, length):
    _, client, *_ = served
    if length == "\u0661":
        length = length.encode()
    assert client.ask("POST", "answer", b"", Content_Length=length)[0] == 411
    assert client.ask("POST", "answer", b"", Transfer_Encoding="chunked")[0] == 411


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b'{"at": 0, "at": 1}', 400),
        (b"[" * 60_000, 400),
        ({}, 404),
        ({"at": 4, "answer": "left"}, 404),
        ({"at": -1, "answer": "left"}, 404),
        ({"at": True, "answer": "left"}, 404),
        ({"at": "0", "answer": "left"}, 404),
        ({"at": 0, "answer": "best"}, 400),
        ({"at": 0, "answer": ["left"]}, 400),
        ({"at": 0, "answer": "left", "note": 1}, 400),
    ],
)
def test_a_body_that_is_no_answer_is_refused(served, body, status):
    _, client, _, log = served
    assert client.ask("POST", "answer", body)[0] == status
    assert log.answers == {}
    assert client.state()["answers"] == [None] * 4


@pytest.mark.parametrize("query", ["at=4", "at=-1", "at=", "", "at=1&at=2", "at=" + "9" * 400])
def test_an_item_that_is_not_there(served, query):
    _, client, *_ = served
    assert client.ask("GET", f"item?{query}")[0] == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_other_methods_are_not_served(served, method):
    _, client, *_ = served
    status, headers, _ = client.ask(method, "")
    assert status == 501
    assert "Access-Control-Allow-Origin" not in headers


def test_every_reply_is_locked(served):
    _, client, *_ = served
    for method, name, body in (
        ("GET", "", None),
        ("GET", "no", None),
        ("PUT", "", None),
        ("POST", "answer", {}),
    ):
        _, headers, _ = client.ask(method, name, body)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] == "datakit"
        assert not any(key.lower().startswith("access-control") for key in headers)


def test_it_listens_on_this_machine_alone(served):
    server, client, *_ = served
    assert server.url.startswith("http://127.0.0.1:")
    assert len(client.path.strip("/")) >= 32


def test_the_result_is_not_told_while_anything_is_open(served):
    server, client, *_ = served
    for at in range(3):
        client.answer(at, "left")
    assert client.ask("POST", "finish", {})[0] == 409
    assert client.state()["result"] is None
    assert not server.wait(0)


def test_once_it_is_told_nothing_can_be_changed(served):
    _, client, _, log = served
    for at in range(4):
        client.answer(at, "left")
    client.ask("POST", "finish", {})
    before = log.answers
    assert client.answer(0, "right")[0] == 409
    assert client.answer(0, None)[0] == 409
    assert log.answers == before


def test_undo_takes_back_the_last_answer_that_stands(served):
    _, client, _, log = served
    client.answer(0, "left", "one")
    client.answer(1, "right", "two")
    _, state = client.answer(client.state()["last"], None)
    assert (state["answers"], state["last"], state["last_note"]) == (
        ["left", None, None, None],
        0,
        "one",
    )
    _, state = client.answer(state["last"], None)
    assert (state["answers"], state["last"]) == ([None] * 4, None)
    assert log.answers == {}


def test_of_two_browsers_the_last_answer_counts(served):
    server, client, sheet, log = served
    other = Client(server.url)
    client.answer(0, "left")
    other.answer(0, "right")
    assert client.state()["answers"][0] == "right"
    assert log.answers[sheet.ids[0]].choice == "right"
    clients = [client, other]
    work = [
        threading.Thread(target=lambda each=each: [each.answer(1, "tie") for _ in range(10)])
        for each in clients
    ]
    for each in work:
        each.start()
    for each in work:
        each.join()
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert len(lines) == 22
    assert log.answers[sheet.ids[1]].choice == "tie"


def test_an_answer_that_is_not_saved_is_not_said_to_be(served, monkeypatch):
    _, client, *_ = served

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        status, told = client.answer(0, "left")
    assert (status, told["error"]) == (507, "the answer was not saved: No space left on device")
    assert client.state()["answers"] == [None] * 4
    assert client.answer(0, "left")[0] == 200


def test_a_reopened_rating_goes_on_where_it_stopped(tmp_path):
    sheet, log = sheet_and_log(tmp_path)
    with log, RatingServer(sheet, log) as server:
        Client(server.url).answer(2, "left", "a note")
        first = server.url
    sheet, log = sheet_and_log(tmp_path)
    with log, RatingServer(sheet, log) as server:
        state = Client(server.url).state()
        assert server.url.split("/")[3] != first.split("/")[3]
    assert (state["answers"], state["last"]) == ([None, None, "left", None], 2)


def test_the_note_says_what_is_not_shown(tmp_path):
    sheet, log = sheet_and_log(tmp_path, 5, same=2)
    with log, RatingServer(sheet, log) as server:
        page = Client(server.url).ask("GET", "")[2].decode()
    assert len(sheet.ids) == 3
    assert "2 pairs have the same text on both sides: a tie, not shown." in page


def test_a_browser_that_goes_away_is_no_noise(served, capfd):
    _, client, *_ = served
    raw(client, b"GET / HTTP/1.1\r\nHost")
    raw(client, b"\x16\x03\x01\x02\x00\x01\x00\xff\r\n\r\n")
    raw(client, b"POST " + client.path.encode() + b"answer HTTP/1.1\r\nHost: x\r\n")
    assert client.state()["answers"] == [None] * 4
    assert capfd.readouterr().err == ""


def test_closing_does_not_wait_for_an_open_connection(tmp_path):
    sheet, log = sheet_and_log(tmp_path)
    with log, RatingServer(sheet, log) as server:
        client = Client(server.url)
        idle = http.client.HTTPConnection(client.authority)
        idle.request("GET", client.path)
        idle.getresponse().read()
        started = time.monotonic()
    assert time.monotonic() - started < 5
    # Nothing comes through the connection that was open, either.
    idle.auto_open = 0
    with pytest.raises((OSError, http.client.HTTPException)):
        idle.request("GET", client.path)
        idle.getresponse()
    idle.close()


KILLED = """
import sys
from pathlib import Path
from tests.curate.sheets import sheet_and_log
from datakit.curate import RatingServer
sheet, log = sheet_and_log(Path(sys.argv[1]))
server = RatingServer(sheet, log)
print(server.url, flush=True)
server.wait()
"""


def test_kill_9_loses_no_answer_that_was_confirmed(tmp_path):
    sheet = PairSheet(pairs(4))
    for at in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            client = Client(process.stdout.readline().strip())
            assert client.state()["answers"][:at] == ["left"] * at
            assert client.answer(at, "left", "n" * 1000)[0] == 200
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
        saved = read_answers(tmp_path / "answers.jsonl", sheet.ids, sheet.choices)
        assert list(saved) == list(sheet.ids[: at + 1])
