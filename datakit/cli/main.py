"""Finds the command, runs it, and turns every error into a plain message and an exit code."""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from datakit.errors import (
    DatakitError,
    DatakitWarning,
    InputError,
    ProviderError,
    did_you_mean,
    visible,
)

__all__ = ["COMMANDS", "GROUP", "main"]

# Entry points of other packages that bring commands: `name = "module:function"`.
GROUP = "datakit.commands"

# name: (module, one line of help). A module is imported when its command runs, not before.
COMMANDS = {
    "init": ("project", "scaffold a folder: seeds, a pipeline, .env.example"),
    "seeds": ("seeds", "check FILE: lint a file of seeds"),
    "plan": ("runs", "what a run would send, cost and take; spends nothing"),
    "run": ("runs", "run a pipeline; resumes by itself"),
    "batch": ("batch", "export or import a teacher's requests and answers as files"),
    "steps": ("catalog", "registered steps, or one of them with its parameters"),
    "schema": ("catalog", "JSON Schema of a pipeline"),
    "ls": ("versions", "datasets and their newest versions"),
    "log": ("versions", "versions of a dataset"),
    "show": ("versions", "a version, or one of its records"),
    "diff": ("history", "what changed between two versions"),
    "tag": ("history", "give a version a name"),
    "combine": ("history", "several versions as one"),
    "gc": ("history", "versions that nothing refers to"),
    "push": ("history", "copy a version to another file system"),
    "pull": ("history", "copy a version from another file system"),
    "export": ("export", "write a version in a form that trainers read"),
    "verify": ("versions", "whether a version is as it was written"),
    "lineage": ("versions", "where a record comes from"),
    "report": ("versions", "write the quality report"),
    "dedup": ("files", "drop duplicates from any file"),
    "filter": ("files", "run filters over any file"),
    "contamination": ("files", "find benchmark items in any file"),
    "judge": ("judge", "check: whether people agree with a judge"),
    "doctor": ("project", "versions, extras, keys that are set, servers, GPU"),
}
_INTERRUPTED = 130
_OUR_FAULT = 70
_SAVED = " What was answered is saved; the same command goes on from there."
_TRIALS = " Finished trials are kept; the same command goes on from there."
_KEPT = dict.fromkeys(("run", "batch", "judge"), _SAVED)
_KEPT |= dict.fromkeys(("lift", "scaling", "ablate"), _TRIALS)

_CHOICE = re.compile(
    r"argument (?P<what>\S+): invalid choice: '(?P<given>.*)' \(choose from (?P<known>.*)\)"
)
_VALUE = re.compile(
    r"argument (?P<what>\S+): invalid (?P<kind>int|float) value: '(?P<given>.*)'", re.DOTALL
)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and what was meant."""

    # The parser of the innermost command: its options are those that may have been meant.
    _innermost: ClassVar[_Parser | None] = None

    # As its overloads have it.
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401
        _Parser._innermost = self
        return super().parse_known_args(args, namespace)

    def _refuse(self, given: str) -> NoReturn:
        known = [text for action in self._actions for text in action.option_strings]
        message = f'unknown option "{given}"{did_you_mean(given, known) or "."}'
        self.error(message if given.startswith("-") else f'"{given}" is one word too many.')

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments: "):
            given = message.removeprefix("unrecognized arguments: ").split()[0]
            (_Parser._innermost or self)._refuse(given)
        elif message.startswith("the following arguments are required: "):
            message = f"{message.partition(': ')[2]} is missing."
        elif match := _CHOICE.fullmatch(message):
            choices = [each.strip().strip("'") for each in match["known"].split(",")]
            near = did_you_mean(match["given"], choices)
            listed = ", ".join(choices)
            message = (
                f'{match["what"]}: there is no "{match["given"]}"{near or f"; there is {listed}."}'
            )
        elif match := _VALUE.fullmatch(message):
            kind = "a whole number" if match["kind"] == "int" else "a number"
            message = f'{match["what"]}: "{match["given"]}" is not {kind}.'
        message = message.removeprefix("argument ")
        self.exit(2, visible(f"{self.prog}: {message}\nSee: {self.prog} --help\n"))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: The words after `datakit`; None takes them from the command line.

    Returns:
        0 done; 1 a check found something; 2 the input is wrong; 3 the budget is reached;
        4 a provider failed for good; 130 interrupted; 70 a fault of datakit itself.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    # Ours are told in a plain line; those of libraries are not the user's business.
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", DatakitWarning)
    warnings.showwarning = lambda message, *_, **__: _say(str(message))
    try:
        code = _command(words)
        sys.stdout.flush()
        return code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        _say(f"Interrupted.{_KEPT.get(words[0] if words else '', '')}")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`) has seen enough; Python must not complain at its exit.
        _silence()
        return 0
    except Exception as error:
        if os.environ.get("DATAKIT_DEBUG"):
            raise
        return _failed(error, words)


def _failed(error: Exception, words: list[str]) -> int:
    """Says what went wrong; returns the exit code."""
    if isinstance(error, DatakitError):
        for problem in error.problems:
            _say(problem)
        if isinstance(error, ProviderError) and words[:1] in (["run"], ["judge"]):
            _say(_SAVED.strip())
        return error.exit_code
    if isinstance(error, OSError):
        # Most files have errors of their own; this is `> file`, or a file between steps.
        _silence()
        where = error.filename or "the output, or a file between steps, cannot be written"
        _say(f"{where}: {error.strerror or error}.")
        return InputError.exit_code
    _say(f"datakit failed: {type(error).__name__}: {error}")
    _say("This is a fault of datakit. DATAKIT_DEBUG=1 shows the traceback.")
    return _OUR_FAULT


def _silence() -> None:
    """Sends what Python still has to write to nowhere, so that it does not complain at its exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str) -> None:
    text = visible(text)
    sys.stderr.write(f"\r\x1b[K{text}\n" if sys.stderr.isatty() else f"{text}\n")


def _command(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return 0
    if words[0] in ("-V", "--version"):
        from datakit import __version__

        sys.stdout.write(f"datakit {__version__}\n")
        return 0
    name, rest = words[0], words[1:]
    if name in COMMANDS:
        module = importlib.import_module(f"datakit.cli.{COMMANDS[name][0]}")
        return _run(getattr(module, name), name, rest)
    for point in entry_points(group=GROUP):
        if point.name == name:
            return _run(point.load(), name, rest)
    known = [*COMMANDS, *(point.name for point in entry_points(group=GROUP))]
    _say(f'datakit: unknown command "{name}"{did_you_mean(name, known) or "."}')
    _say("See: datakit --help")
    return 2


def _run(command: object, name: str, words: list[str]) -> int:
    """Runs a command: a function with `configure(parser)` and `run(args)` as attributes."""
    summary = COMMANDS.get(name, ("", ""))[1]
    parser = _Parser(prog=f"datakit {name}", description=(command.__doc__ or summary))
    command.configure(parser)  # type: ignore[attr-defined]
    common(parser)
    code: int = command.run(parser.parse_args(words))  # type: ignore[attr-defined]
    return code


_VERBOSE = "seconds of each step, and package versions, with a table of steps"


def common(parser: argparse.ArgumentParser) -> None:
    """Adds the options that every command has."""
    group = parser.add_argument_group("everywhere")
    group.add_argument("--store", help="folder of versions (DATAKIT_STORE, or datasets)")
    group.add_argument("--json", action="store_true", help="print one JSON document")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress, no words")
    group.add_argument("-v", "--verbose", action="store_true", help=_VERBOSE)
    group.add_argument("--no-color", action="store_true", help="no colours (NO_COLOR)")
    group.add_argument(
        "--yes",
        action="store_true",
        help="for scripts: yes to any question (`ablate --rerun`, `gc`)",
    )


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{text}" for name, (_, text) in COMMANDS.items()]
    points = sorted(entry_points(group=GROUP), key=lambda each: each.name)
    lines += [f"  {point.name:<{width}}{_summary(point)}" for point in points]
    return (
        "datakit: from hand-written seeds to a dataset that you can trust.\n\n"
        "usage: datakit COMMAND [options]\n\n"
        + "\n".join(lines)
        + "\n\n  datakit COMMAND --help      what a command takes\n"
        "  datakit run pipeline.yaml   the main job\n"
    )


def _summary(point: EntryPoint) -> str:
    """Returns the first line of a command's docstring, read off its source: nothing is imported."""
    package = point.dist.name if point.dist else point.value
    try:
        top, *rest = point.module.split(".")
        # Of a module in a package the spec would import the package.
        spec = importlib.util.find_spec(top)
        if spec and spec.origin:
            file = Path(spec.origin)
            file = file.parent.joinpath(*rest).with_suffix(".py") if rest else file
            for node in ast.parse(file.read_bytes()).body:
                if isinstance(node, ast.FunctionDef) and node.name == point.attr:
                    text = (ast.get_docstring(node) or "").partition("\n")[0].rstrip(".")
                    if text:
                        own = package == "datakit"
                        line = text[:1].lower() + text[1:]
                        return line if own else f"{line} (from {package})"
    except (ImportError, OSError, SyntaxError, ValueError):
        pass
    return f"(from {package})"


if __name__ == "__main__":
    sys.exit(main())
