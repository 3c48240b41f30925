"""What commands print: results to stdout, words and progress to stderr."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from datakit.errors import HIDDEN, visible

__all__ = ["Command", "Console", "command", "one_line", "visible"]


# Where nothing can be painted over, a line of progress comes this often at most.
_PLAIN_SECONDS = 15


class Command:
    """A command: how its arguments are declared, and what it does with them."""

    def __init__(
        self,
        configure: Callable[[argparse.ArgumentParser], None],
        run: Callable[[argparse.Namespace, Console], int],
    ) -> None:
        self.configure = configure
        self.__doc__ = run.__doc__
        self._run = run

    def run(self, args: argparse.Namespace) -> int:
        """Carries the command out; returns the exit code."""
        return self._run(args, Console(args))


def command(
    configure: Callable[[argparse.ArgumentParser], None],
) -> Callable[[Callable[[argparse.Namespace, Console], int]], Command]:
    """Makes a function a command whose arguments `configure` declares."""
    return lambda run: Command(configure, run)


def one_line(text: str) -> str:
    """Returns a text as `visible` does, with line breaks and tabs shown too: one line for sure."""
    return visible(text).replace("\n", "<U+000A>").replace("\t", "<U+0009>")


class Console:
    """Prints for one command.

    Args:
        args: Its options: `json`, `quiet`, `verbose`, `no_color`.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.json = bool(args.json)
        self.quiet = bool(args.quiet) or self.json
        self.verbose = bool(args.verbose)
        self.live = sys.stderr.isatty() and not self.quiet
        plain = args.no_color or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
        self._color = sys.stdout.isatty() and not plain
        self._painted = 0.0
        self._line = False

    def result(self, text: str = "") -> None:
        """Prints a line of the result."""
        self._wipe()
        if not self.json:
            sys.stdout.write(text + "\n")

    def document(self, value: Any) -> None:  # noqa: ANN401  any JSON value
        """Prints the result as one JSON document, if that is asked for."""
        if self.json:
            text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
            # The same value, written so that it does not act on a terminal.
            sys.stdout.write(HIDDEN.sub(lambda match: json.dumps(match[0])[1:-1], text) + "\n")

    def say(self, text: str) -> None:
        """Prints a line of words."""
        if not self.quiet:
            self._wipe()
            sys.stderr.write(text + "\n")

    def repaint(self, text: str, *, last: bool = False) -> None:
        """Prints progress: one line painted again and again, or a plain line at its end."""
        if self.quiet:
            return
        now = time.monotonic()
        if not self.live:
            if last or now - self._painted > _PLAIN_SECONDS:
                self._painted = now
                sys.stderr.write(text + "\n")
            return
        if last or now - self._painted > 0.1:
            self._painted, self._line = now, True
            sys.stderr.write(f"\r{text}\x1b[K")
            sys.stderr.flush()

    def _wipe(self) -> None:
        if self._line:
            sys.stderr.write("\r\x1b[K")
            self._line = False

    def bold(self, text: str) -> str:
        """Returns the text in bold, on a terminal that shows it."""
        return f"\x1b[1m{text}\x1b[0m" if self._color else text

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], left: str) -> None:
        """Prints a table.

        Args:
            head: Titles of the columns.
            rows: Cells.
            left: One letter for each column: `l` stands left, `r` right.
        """
        shown = [[one_line(cell) for cell in row] for row in (head, *rows)]
        widths = [max(map(_width, column)) for column in zip(*shown, strict=True)]
        for number, row in enumerate(shown):
            cells = [
                _pad(cell, width, side) for cell, width, side in zip(row, widths, left, strict=True)
            ]
            line = "  ".join(cells).rstrip()
            self.result(self.bold(line) if number == 0 else line)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _pad(text: str, width: int, side: str) -> str:
    space = " " * (width - _width(text))
    return text + space if side == "l" else space + text
