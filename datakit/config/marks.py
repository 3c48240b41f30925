"""YAML with the place of every key and value."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from datakit.errors import PipelineError, visible

__all__ = ["Document", "Path"]

Path = tuple[str | int, ...]

# More than any pipeline has; nested aliases could ask for billions.
_MOST_NODES = 20_000
_MOST_SHOWN = 20
_COLUMNS = 110
_BEFORE = 60
_SECRET = re.compile(
    r"""(\b(?:\w*api_?key(?:_env)?|token|secret|password)["']?\s*:\s*)"""
    r"""("[^"]*"|'[^']*'|[^\s,}#]+)""",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(?<=://)[^/@\s\"']+(?=@)")


@dataclass(frozen=True)
class _Mark:
    line: int
    column: int
    length: int


@dataclass
class Document:
    """A parsed YAML text.

    Args:
        name: The file's name, for messages.
        text: The text.
        value: Its value: dictionaries, lists and scalars.
        raw: The text of each scalar as it was written.
        mistakes: Problems so far, in finished lines.
    """

    name: str
    text: str
    value: Any = None
    raw: dict[Path, str] = field(default_factory=dict)
    mistakes: list[tuple[int, str]] = field(default_factory=list)
    _keys: dict[Path, _Mark] = field(default_factory=dict)
    _values: dict[Path, _Mark] = field(default_factory=dict)
    _nodes: int = 0

    @classmethod
    def parse(cls, name: str, text: str) -> Document:
        """Parses a YAML text.

        Raises:
            PipelineError: If it is not YAML.
        """
        document = cls(name, text)
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            if node is not None:
                document.value = document._build(node, ())
        except yaml.MarkedYAMLError as error:
            mark, reason = _reason(error)
            at = _Mark(mark.line, mark.column, 1) if mark else _Mark(0, 0, 1)
            document._add(at, reason)
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position)
            column = error.position - (text.rfind("\n", 0, error.position) + 1)
            code = f"U+{ord(text[error.position]):04X}"
            document._add(_Mark(line, column, 1), f"not YAML: the character {code} is not allowed.")
        except yaml.YAMLError as error:
            document._add(_Mark(0, 0, 1), f"not YAML: {' '.join(str(error).split())}.")
        except RecursionError:
            document._add(_Mark(0, 0, 1), "not YAML: nested too deeply.")
        document.raise_if_wrong()
        return document

    def _build(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401
        self._nodes += 1
        start, end = node.start_mark, node.end_mark
        length = end.column - start.column if end.line == start.line else 1
        self._values[path] = _Mark(start.line, start.column, max(1, length))
        if self._nodes > _MOST_NODES:
            self._add(self._values[path], "the file has too many values.")
            self.raise_if_wrong()
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._build(each, (*path, at)) for at, each in enumerate(node.value)]
        self.raw[path] = node.value
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            shown = node.value if len(node.value) <= 40 else node.value[:37] + "..."
            if node.tag.startswith("tag:yaml.org,2002:") and "python" not in node.tag:
                kind = node.tag.removeprefix("tag:yaml.org,2002:")
                text = f"{shown} cannot be read as {kind}. If it is a text, put it in quotes."
            else:
                text = f"the tag {node.tag} is not read; write a plain value."
            dotted = ".".join(map(str, path))
            self._add(self._values[path], f"{dotted}: {text}" if dotted else text)
            return None
        finally:
            loader.dispose()

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            mark = key_node.start_mark
            if not isinstance(key_node, yaml.ScalarNode):
                self._add(_Mark(mark.line, mark.column, 1), "a key must be a plain word.")
                continue
            key = key_node.value
            at = _Mark(mark.line, mark.column, key_node.end_mark.column - mark.column)
            if key in built:
                first = self._keys[(*path, key)].line + 1
                self._add(at, f'the key "{key}" is there twice (first in line {first}).')
                continue
            self._keys[(*path, key)] = at
            built[key] = self._build(value_node, (*path, key))
        return built

    def has_key(self, path: Path) -> bool:
        """Returns whether there is a key at a path."""
        return path in self._keys

    def wrong(self, path: Path, text: str, *, key: bool = False) -> None:
        """Notes a mistake at a value, or at its key."""
        marks = self._keys if key and path in self._keys else self._values
        mark = marks.get(path) or self._values.get(path[:-1]) or _Mark(0, 0, 1)
        dotted = ".".join(map(str, path))
        self._add(mark, f"{dotted}: {text}" if dotted else text)

    def _add(self, mark: _Mark, text: str) -> None:
        head = f"{self.name}:{mark.line + 1}:{mark.column + 1}: {text}"
        lines = self.text.splitlines()
        if mark.line < len(lines):
            source = _unsecret(lines[mark.line])
            shown, before, under = _around(source, mark.column, mark.length)
            gutter = f"  {mark.line + 1} | "
            head += f"\n{gutter}{shown}\n{' ' * (len(gutter) - 2)}| {' ' * before}{'^' * under}"
        self.mistakes.append((mark.line, visible(head)))

    def raise_if_wrong(self, others: Iterable[str] = ()) -> None:
        """Raises all mistakes at once, in the order of the file.

        Raises:
            PipelineError: If there is one.
        """
        lines = [text for _, text in sorted(self.mistakes, key=lambda each: each[0])]
        lines += list(others)
        if len(lines) > _MOST_SHOWN:
            lines[_MOST_SHOWN:] = [f"{self.name}: and {len(lines) - _MOST_SHOWN} more mistakes."]
        if lines:
            raise PipelineError(lines)


def _unsecret(line: str) -> str:
    """Returns a line of the same length without what may be a key or a password."""

    def hidden(found: re.Match[str]) -> str:
        name, value = found[1], found[2]
        if "_env" in name and value.strip("\"'").isidentifier():
            return found[0]  # the name of an environment variable
        return name + "*" * len(value)

    return _IN_URL.sub(lambda found: "*" * len(found[0]), _SECRET.sub(hidden, line))


def _reason(error: yaml.MarkedYAMLError) -> tuple[yaml.Mark | None, str]:
    """Returns where to look, and what to mend there."""
    problem = error.problem or error.context or ""
    mark, began = error.problem_mark or error.context_mark, error.context_mark
    if "'\\t'" in problem:
        return mark, "not YAML: a tab cannot stand here. Use spaces."
    if "another document" in problem:
        return mark, "a second document begins here (---); a pipeline is one document."
    if "could not find expected ':'" in problem:
        return began, "not YAML: a colon is missing after this key."
    if "stream end" in problem or "end of stream" in problem:
        return began or mark, "not YAML: what begins here is never closed."
    return mark, f"not YAML: {problem}."


def _around(line: str, column: int, length: int) -> tuple[str, int, int]:
    """Returns what is near the caret, how far it stands from the left, and how wide it is."""
    start = max(0, column - _BEFORE) if len(line) > _COLUMNS else 0
    shown = "".join(map(_harmless, line[start : start + _COLUMNS]))
    place = column - start
    return shown, _cells(shown[:place]), max(1, _cells(shown[place : place + length]))


def _harmless(character: str) -> str:
    # A terminal would act on it, or show it wider or narrower than the caret expects.
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return " " if hidden else character


def _cells(text: str) -> int:
    """Returns the columns that a terminal gives to a text."""
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return len(text) + wide - sum(unicodedata.category(each) in ("Mn", "Me") for each in text)
