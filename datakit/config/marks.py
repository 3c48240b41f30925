"""YAML with the place of every key and value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from datakit.errors import PipelineError

__all__ = ["Document", "Path"]

Path = tuple[str | int, ...]

# More than any pipeline has; nested aliases could ask for billions.
_MOST_NODES = 20_000


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
            mark = error.problem_mark or error.context_mark
            at = _Mark(mark.line, mark.column, 1) if mark else _Mark(0, 0, 1)
            document._add(at, f"not YAML: {error.problem or error.context}.")
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
            self._add(self._values[path], f'"{node.value}" is not a plain value.')
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
            source = lines[mark.line]
            shown, column = _around(source, mark.column)
            gutter = f"  {mark.line + 1} | "
            carets = "^" * max(1, min(mark.length, len(shown) - column))
            head += f"\n{gutter}{shown}\n{' ' * (len(gutter) - 2)}| {' ' * column}{carets}"
        self.mistakes.append((mark.line, head))

    def raise_if_wrong(self, others: Iterable[str] = ()) -> None:
        """Raises all mistakes at once, in the order of the file.

        Raises:
            PipelineError: If there is one.
        """
        lines = [text for _, text in sorted(self.mistakes, key=lambda each: each[0])]
        lines += list(others)
        if lines:
            raise PipelineError(lines)


def _around(line: str, column: int) -> tuple[str, int]:
    # Long lines are cut to what is near the caret; what a terminal would act on is not shown.
    start = max(0, column - 60) if len(line) > 110 else 0
    shown = re.sub(r"[^\x20-\x7e\xa0-\uffff]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]", " ", line)
    return shown[start : start + 110], column - start
