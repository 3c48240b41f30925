"""Talking with a model: in a terminal, through a pipe, loaded here and served."""

import io
import json
import os
import pty
import select
import shlex
import subprocess
import sys
import time

import pytest

from datakit.cli.main import main
from datakit.errors import InputError, ProviderError
from tests.loopback import Fault, Plan, serve
from trainers.commands.chat import Conversation, open_talker
from trainers.models import resolve

pytest.importorskip("openai")


class Parrot:
    """Answers in pieces; an `Exception` among them is raised."""

    def __init__(self, *pieces, room=10**9):
        self.pieces, self.room, self.heard = pieces, room, []

    def fits(self, messages):
        return sum(len(each["content"]) for each in messages) <= self.room

    def answer(self, messages, write):
        self.heard.append([(each["role"], each["content"]) for each in messages])
        for piece in self.pieces:
            if isinstance(piece, BaseException):
                raise piece
            write(piece)

    def close(self):
        pass


def ignore(text):
    pass


@pytest.fixture
def cli(capsys, monkeypatch):
    """Runs a command line with a standard input of bytes; returns code, stdout and stderr."""

    def run(line, given=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        capsys.readouterr()
        code = main(shlex.split(line))
        return code, *capsys.readouterr()

    return run


def test_what_was_said_is_heard_again_until_a_reset():
    parrot = Parrot("Yes", ".")
    chat = Conversation(parrot, "Be brief.")
    heard = []
    assert chat.ask("One?", heard.append) == "Yes." and heard == ["Yes", "."]
    chat.ask("Two?", ignore)
    chat.reset()
    chat.ask("Three?", ignore)
    system = ("system", "Be brief.")
    assert parrot.heard == [
        [system, ("user", "One?")],
        [system, ("user", "One?"), ("assistant", "Yes."), ("user", "Two?")],
        [system, ("user", "Three?")],
    ]


def test_an_answer_that_is_ended_stays_as_far_as_it_went():
    chat = Conversation(Parrot("So far", KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        chat.ask("Go?", ignore)
    assert [each["content"] for each in chat.messages] == ["Go?", "So far"]


@pytest.mark.parametrize("pieces", [(KeyboardInterrupt(),), ("So", ProviderError("is gone"))])
def test_a_question_without_an_answer_is_forgotten(pieces):
    chat = Conversation(Parrot(*pieces), "Be brief.")
    with pytest.raises(type(pieces[-1])):
        chat.ask("Go?", ignore)
    assert [each["role"] for each in chat.messages] == ["system"]


def test_the_first_turns_make_room_and_it_is_said():
    told = []
    parrot = Parrot("b" * 10, room=45)
    chat = Conversation(parrot, "s" * 10, told.append)
    for _ in range(3):
        chat.ask("a" * 10, ignore)
    assert [len(each) for each in parrot.heard] == [2, 4, 4]
    assert parrot.heard[-1][0] == ("system", "s" * 10) and len(told) == 1
    with pytest.raises(InputError, match="max-new-tokens"):
        chat.ask("a" * 50, ignore)
    assert len(chat.messages) < 4


def test_a_local_model_answers_as_it_does_in_an_evaluation(tiny_model_dir):
    from trainers.evaluate.subject import open_subject

    prompt = [{"role": "user", "content": "How many boats are there?"}]
    wanted = open_subject(str(tiny_model_dir)).generate([prompt], max_new_tokens=12)[0]
    talker = open_talker(resolve(str(tiny_model_dir)), max_new_tokens=12)
    heard = []
    talker.answer(prompt, heard.append)
    assert "".join(heard) == wanted and wanted
    talker.close()


def test_a_seed_draws_the_same_answer_again(tiny_model_dir):
    def drawn(seed):
        talker = open_talker(
            resolve(str(tiny_model_dir)), max_new_tokens=12, temperature=1.0, seed=seed
        )
        heard = []
        talker.answer([{"role": "user", "content": "Hi."}], heard.append)
        return "".join(heard)

    assert drawn(1) == drawn(1) != drawn(2)


def test_the_context_of_a_local_model_is_kept(tiny_model_dir):
    talker = open_talker(resolve(str(tiny_model_dir)), max_new_tokens=12)
    assert talker.fits([{"role": "user", "content": "Hi."}])
    assert not talker.fits([{"role": "user", "content": "boats " * 600}])


def test_a_pipe_of_questions_to_a_local_model(cli, tiny_model_dir):
    line = f"chat {tiny_model_dir} --max-new-tokens 8 --json"
    code, out, _ = cli(line, b"Hi.\n\n/reset\nHi.\n")
    found = json.loads(out)
    assert code == 0 and [each["question"] for each in found] == ["Hi.", "Hi."]
    assert found[0]["answer"] == found[1]["answer"]


def test_a_served_model_hears_the_chat_and_the_settings(cli):
    with serve() as server:
        line = f"chat {server.url}#m --system Short. --temperature 0.5 --seed 7 --max-new-tokens 9"
        code, out, err = cli(line, "Zoë?\r\nAnd?".encode())
        sent = [each["sent"] for each in server.answered()]
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 2
    roles = [[each["role"] for each in body["messages"]] for body in sent]
    assert roles == [["system", "user"], ["system", "user", "assistant", "user"]]
    assert sent[0]["messages"][1]["content"] == "Zoë?"
    assert sent[1]["messages"][2]["content"] == out.splitlines()[0]
    assert (sent[0]["max_tokens"], sent[0]["temperature"], sent[0]["seed"]) == (9, 0.5, 7)


def test_what_a_model_says_does_not_act_on_the_terminal(cli, monkeypatch):
    parrot = Parrot("a\x1b[2J\u202eb\nc")
    monkeypatch.setattr("trainers.commands.chat.open_talker", lambda *_, **__: parrot)
    _, out, _ = cli("chat embedded", b"Go?\n")
    assert out == "a<U+001B>[2J<U+202E>b\nc\n"
    _, out, _ = cli("chat embedded --json", b"Go?\n")
    assert json.loads(out) == [{"question": "Go?", "answer": parrot.pieces[0]}]
    assert "\x1b" not in out and "\u202e" not in out


@pytest.mark.parametrize(
    ("line", "given", "said"),
    [
        ("chat nowhere", b"", "there is no such model"),
        ("chat http://127.0.0.1:9/v1#m --max-new-tokens 0", b"", "not a whole number from 1"),
        ("chat http://127.0.0.1:9/v1#m --seed 4294967296", b"", "from 0 to 4294967295."),
        ("chat ''", b"", "the model's name is empty."),
        ("chat http://127.0.0.1:9/v1#m --temperature -1", b"", "not a number from 0"),
        ("chat http://127.0.0.1:9/v1#m --temperature nan", b"", "not a number from 0"),
        ("chat http://127.0.0.1:9/v1#m --template chatml", b"", "leave it out"),
        ("chat http://127.0.0.1:9/v1#m", b"\xff\n", "standard input:1"),
        ("chat http://127.0.0.1:9/v1#m", b"\n/help\n", "standard input:2: there is no /help; "),
    ],
)
def test_mistakes_are_plain(cli, monkeypatch, line, given, said):
    code, out, err = cli(line, given)
    assert code == 2 and out == "" and said in err
    assert len(err.splitlines()) <= 2


def test_a_server_that_fails_is_told(cli):
    with serve(Plan([Fault("unauthorized")])) as server:
        code, out, err = cli(f"chat {server.url}#m", b"Go?\n")
    assert code == 4 and out == "" and "failed" in err


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, line):
        self._own, other = pty.openpty()
        words = [sys.executable, "-m", "datakit.cli.main", *shlex.split(line)]
        env = os.environ | {"TERM": "dumb", "INPUTRC": "/dev/null"}
        self.process = subprocess.Popen(
            words, stdin=other, stdout=other, stderr=other, env=env, start_new_session=True
        )
        os.close(other)
        self.seen = ""

    def until(self, text, times=1):
        end = time.monotonic() + 60
        while self.seen.count(text) < times:
            assert time.monotonic() < end, self.seen
            if select.select([self._own], [], [], 0.2)[0]:
                self.seen += os.read(self._own, 4096).decode().replace("\r\n", "\n")

    def type(self, text):
        os.write(self._own, text.encode())

    def close(self):
        code = self.process.wait(timeout=30)
        os.close(self._own)
        return code


def test_a_chat_in_a_terminal():
    with serve() as server:
        terminal = Terminal(f"chat {server.url}#m")
        terminal.until("\n> ")
        terminal.type("One?\n")
        terminal.until("\n> ", 2)
        terminal.type("/reset\n")
        terminal.until("forgotten")
        terminal.until("\n> ", 3)
        server.plan.faults = [Fault("bad_request", times=None)]
        terminal.type("Two?\n")
        terminal.until("because the test says so")
        terminal.until("\n> ", 4)
        server.plan.faults = []
        terminal.type("Three?\n")
        terminal.until("\n> ", 5)
        terminal.type("\x04")
        assert terminal.close() == 0
        asked = [each["sent"]["messages"] for each in server.answered()]
    assert [[m["content"] for m in each] for each in asked] == [["One?"], ["Two?"], ["Three?"]]
    assert "Ctrl-D ends the chat" in terminal.seen


def type_in(monkeypatch, *lines):
    """Has these lines come from the keyboard; an exception among them is raised."""
    left = iter([*lines, EOFError()])

    def typed(prompt):
        each = next(left)
        if isinstance(each, BaseException):
            raise each
        return each

    monkeypatch.setattr("builtins.input", typed)


def talk(parrot, *, quiet):
    from types import SimpleNamespace

    from datakit.cli.console import Console
    from trainers.commands import chat as module

    args = SimpleNamespace(json=False, quiet=quiet, verbose=False, no_color=True)
    module._talk(Conversation(parrot), Console(args))


def test_an_unknown_command_is_told_and_not_asked(monkeypatch, capsys):
    type_in(monkeypatch, "/help", "/", "/Reset", "/etc/hosts", "/ is a sign?")
    parrot = Parrot("Yes.")
    talk(parrot, quiet=False)
    assert [each[-1][1] for each in parrot.heard] == ["/etc/hosts", "/ is a sign?"]
    said = capsys.readouterr().err.splitlines()[1:]
    hint = "there is /reset, which begins anew. Ctrl-D ends the chat."
    assert said == [f"there is no {each}; {hint}" for each in ("/help", "/", "/Reset")]


def test_an_interrupt_ends_the_answer_and_not_the_chat(monkeypatch, capsys):
    type_in(monkeypatch, "One?", KeyboardInterrupt(), "Two?")
    parrot = Parrot("So far", KeyboardInterrupt())
    talk(parrot, quiet=True)
    assert parrot.heard[-1] == [("user", "One?"), ("assistant", "So far"), ("user", "Two?")]
    assert capsys.readouterr().out == "So far …\n\nSo far …\n\n"
