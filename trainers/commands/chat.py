"""datakit chat: talk with a model in the terminal, or send it a file of questions."""

from __future__ import annotations

import argparse
import contextlib
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from datakit.cli.console import Console, command
from datakit.errors import InputError, ProviderError, visible
from datakit.strict import decode
from trainers.examples import Message
from trainers.models import ModelRef, resolve

__all__ = ["Conversation", "Talker", "chat", "open_talker"]

_RESET = "/reset"
# What begins like a path, such as /etc/hosts, is a question.
_COMMAND = re.compile(r"/[A-Za-z]*")
_HINT = "Ctrl-C ends an answer, /reset begins anew, Ctrl-D ends the chat"

Write = Callable[[str], None]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="embedded, a folder, .gguf, hub id or URL")
    parser.add_argument("--system", metavar="TEXT", help="what the model is told first")
    parser.add_argument(
        "--max-new-tokens", type=_positive, default=512, metavar="N", help="of an answer (512)"
    )
    parser.add_argument(
        "--temperature",
        type=_temperature,
        default=0.0,
        metavar="T",
        help="0 always takes the likeliest token (0)",
    )
    parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="of what is drawn (0)")
    parser.add_argument(
        "--template", default="", metavar="T", help="chat template: chatml, alpaca or a .jinja file"
    )


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number from 1.')
    return int(text)


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number from 0 to 4294967295.')
    return int(text)


def _temperature(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f'"{text}" is not a number from 0.')


@command(_configure)
def chat(args: argparse.Namespace, console: Console) -> int:
    """Talk with a model; of a standard input that is no terminal, each line is a question."""
    talker = open_talker(
        resolve(args.model),
        max_new_tokens=args.max_new_tokens,
        temperature=args.temperature,
        seed=args.seed,
        template=args.template,
        note=console.say,
    )
    conversation = Conversation(talker, args.system, console.say)
    try:
        if sys.stdin.isatty() and sys.stdout.isatty() and not args.json:
            _talk(conversation, console)
        else:
            _read(conversation, console)
    finally:
        talker.close()
    return 0


class Talker(Protocol):
    """A model that goes on with a chat."""

    def fits(self, messages: list[Message]) -> bool:
        """Returns whether a chat and its answer are within what the model sees at once."""
        ...

    def answer(self, messages: list[Message], write: Write) -> None:
        """Answers the last message.

        Args:
            messages: The chat; its last turn is the user's.
            write: Is given the answer piece by piece.

        Raises:
            ProviderError: If a server fails.
        """
        ...

    def close(self) -> None:
        """Lets go of memory and connections; may be called twice."""
        ...


class Conversation:
    """What was said so far.

    Args:
        talker: Who answers.
        system: What it is told first.
        say: Is told what the user should know.
    """

    def __init__(
        self, talker: Talker, system: str | None = None, say: Write = lambda text: None
    ) -> None:
        self._talker, self._say = talker, say
        self._first: list[Message] = [{"role": "system", "content": system}] if system else []
        self._turns: list[Message] = []

    @property
    def messages(self) -> list[Message]:
        """The chat as the model gets it."""
        return [*self._first, *self._turns]

    def reset(self) -> None:
        """Forgets all but the system's text."""
        self._turns = []

    def ask(self, question: str, write: Write) -> str:
        """Asks the next question; what was said of an interrupted answer is kept.

        Args:
            question: The user's text.
            write: Is given the answer piece by piece.

        Returns:
            The whole answer.

        Raises:
            InputError: If the question alone is too long for the model.
            ProviderError: If a server fails; the question is forgotten.
            KeyboardInterrupt: If the user ended the answer.
        """
        self._turns.append({"role": "user", "content": question})
        self._make_room()
        pieces: list[str] = []

        def keep(text: str) -> None:
            pieces.append(text)
            write(text)

        try:
            self._talker.answer(self.messages, keep)
        except BaseException as error:
            if pieces and isinstance(error, KeyboardInterrupt):
                self._turns.append({"role": "assistant", "content": "".join(pieces)})
            else:
                self._turns.pop()
            raise
        answer = "".join(pieces)
        self._turns.append({"role": "assistant", "content": answer})
        return answer

    def _make_room(self) -> None:
        forgot = False
        while not self._talker.fits(self.messages):
            if len(self._turns) == 1:
                self._turns.pop()
                raise InputError(
                    "the question with its answer is longer than what the model sees at once. "
                    "Ask a shorter one, or lower --max-new-tokens."
                )
            del self._turns[:2]
            forgot = True
        if forgot:
            self._say("the first turns are forgotten: the model does not see so much at once")


def _talk(conversation: Conversation, console: Console) -> None:
    """Talks in a terminal until its end of file."""
    with contextlib.suppress(ImportError):
        # From now on `input` knows the arrow keys.
        import readline  # noqa: F401
    console.say(_HINT)
    more = True
    while more:
        try:
            more = _turn(conversation, console)
        except KeyboardInterrupt:
            # It ends the line, or what is said of it; never the chat.
            console.result()


def _turn(conversation: Conversation, console: Console) -> bool:
    """Takes one line; returns whether the chat goes on."""
    try:
        question = input("\n> ").strip()
    except EOFError:
        console.result()
        return False
    if question == _RESET:
        conversation.reset()
        console.say("forgotten")
    elif _COMMAND.fullmatch(question):
        console.say(f"{_unknown(question)} Ctrl-D ends the chat.")
    elif question:
        _answer(conversation, question, console)
    return True


def _unknown(given: str) -> str:
    return f"there is no {given}; there is {_RESET}, which begins anew."


def _answer(conversation: Conversation, question: str, console: Console) -> None:
    try:
        conversation.ask(question, _write)
    except KeyboardInterrupt:
        _write(" …")
    except (InputError, ProviderError) as error:
        # One question that failed does not end the chat.
        for problem in error.problems:
            console.say(problem)
        return
    console.result()


def _write(text: str) -> None:
    # Line breaks are what they are; anything else that would act on the terminal is shown.
    sys.stdout.write(visible(text))
    sys.stdout.flush()


def _read(conversation: Conversation, console: Console) -> None:
    """Answers the lines of standard input."""
    found: list[dict[str, str]] = []
    for number, question in _questions(sys.stdin):
        if question == _RESET:
            conversation.reset()
            continue
        if _COMMAND.fullmatch(question):
            raise InputError(f"standard input:{number}: {_unknown(question)}")
        answer = conversation.ask(question, lambda text: None)
        found.append({"question": question, "answer": answer})
        console.result(visible(answer))
    console.document(found)


def _questions(stream: Any) -> Iterator[tuple[int, str]]:  # noqa: ANN401  a text stream over bytes
    lines: Iterable[bytes] = stream.buffer
    for number, line in enumerate(lines, 1):
        text = decode(line, f"standard input:{number}").strip().removeprefix("\ufeff")
        if text:
            yield number, text


def open_talker(
    ref: ModelRef,
    *,
    max_new_tokens: int = 512,
    temperature: float = 0.0,
    seed: int = 0,
    template: str = "",
    note: Write = lambda text: None,
) -> Talker:
    """Opens a model for a chat.

    Args:
        ref: Which.
        max_new_tokens: Most tokens of an answer.
        temperature: 0 is greedy.
        seed: Of what is drawn above 0.
        template: A chat template, for a model that has none.
        note: Is told that a model is loaded.

    Raises:
        InputError: If it cannot be loaded.
        ProviderError: If a server does not answer.
    """
    if ref.kind == "served":
        from trainers.commands.talking import ServedTalker

        if template:
            raise InputError("--template: a server has its own; leave it out.")
        return ServedTalker(ref, max_new_tokens, temperature, seed)
    from trainers.commands.talking import LocalTalker
    from trainers.evaluate.subject import check_subject

    # What is wrong is told before anything is said to be loaded.
    check_subject(ref.given, template=template)
    return LocalTalker(ref, max_new_tokens, temperature, seed, template, note)
