"""HTML and SVG as values: text is escaped by default, raw markup needs the type `Markup`.

Everything that a record holds is untrusted. `el` escapes text and attributes, refuses the
attributes that could run code, and shows control characters instead of passing them on. `quote` is
for texts of records: isolated (`<bdi>`), clipped, with every hidden character in a box.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from datakit.errors import HIDDEN

__all__ = ["Child", "Markup", "code", "el", "join", "plain", "quote", "script_json"]


@dataclass(frozen=True, slots=True)
class Markup:
    """Markup that is safe to be written as it is; only this package makes it."""

    html: str

    def __str__(self) -> str:
        return self.html


Child: TypeAlias = "Markup | str | int | Iterable[Child] | None"

_RUN = re.compile(f"({HIDDEN.pattern})\\1*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*\Z")
_SAFE_HREF = re.compile(r"(#|https://)")
_VOID = frozenset({"meta", "br", "hr", "input", "col", "wbr"})
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
# More boxes than this in one text say nothing new, and would let a record blow up the page.
_BOXES = 24


def code(char: str) -> str:
    """Returns how a hidden character is named: `U+202E`."""
    return f"U+{ord(char):04X}"


def plain(text: str) -> str:
    """Returns the text with hidden characters named in brackets, for where no box can be."""
    return HIDDEN.sub(lambda found: f"[{code(found.group())}]", text.replace("\r\n", "\n"))


def _escape(text: str) -> str:
    return plain(text).translate(_ESCAPES)


def _attribute(name: str, value: str | int | float | bool | None) -> str:
    name = name.rstrip("_").replace("_", "-")
    if not _NAME.match(name) or name.startswith("on") or name in ("style", "src", "srcdoc"):
        raise ValueError(f"the attribute {name!r} is not allowed")
    if name == "href" and not _SAFE_HREF.match(str(value)):
        raise ValueError("a link leads into the page or to https")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{_escape(str(value))}"'


def el(tag: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """Returns an element.

    Args:
        tag: Its name.
        *children: Text (escaped), markup, numbers, or any nesting of them.
        **attributes: `class_` is `class`, `stroke_width` is `stroke-width`; None and False are
            left out, True has no value.

    Raises:
        ValueError: If a name is no name, or if an attribute could run code.
    """
    if not _NAME.match(tag):
        raise ValueError(f"{tag!r} is no element")
    start = f"<{tag}{''.join(_attribute(*each) for each in attributes.items())}>"
    if tag in _VOID:
        return Markup(start)
    return Markup(f"{start}{join(children)}</{tag}>")


def join(children: Child) -> Markup:
    """Returns children one after the other."""
    if isinstance(children, Markup):
        return children
    if children is None:
        return Markup("")
    if isinstance(children, str | int):
        return Markup(_escape(str(children)))
    return Markup("".join(join(child).html for child in children))


def quote(text: str, limit: int = 600, marks: Sequence[tuple[int, int]] = ()) -> Markup:
    """Returns a text of a record, isolated from what is around it.

    Args:
        text: The text.
        limit: Characters that are shown.
        marks: Ranges (start, end) to be marked, in order and apart.
    """
    shown = text[:limit]
    pieces: list[Child] = []
    at = 0
    boxes = [_BOXES]
    for start, end in marks:
        start, end = max(start, at), min(end, len(shown))
        if start >= end:
            continue
        pieces += [_boxed(shown[at:start], boxes), el("mark", _boxed(shown[start:end], boxes))]
        at = end
    pieces.append(_boxed(shown[at:], boxes))
    if len(text) > limit:
        pieces.append(el("span", f"… {len(text) - limit:,} more characters", class_="more"))
    return el("bdi", pieces, dir="auto")


def _boxed(text: str, boxes: list[int]) -> Markup:
    pieces: list[Child] = []
    at = 0
    text = text.replace("\r\n", "\n")
    for found in _RUN.finditer(text):
        pieces.append(text[at : found.start()])
        at = found.end()
        boxes[0] -= 1
        if boxes[0] >= 0:
            times = f" \u00d7 {len(found.group()):,}" if len(found.group()) > 1 else ""
            pieces.append(el("span", code(found.group()[0]) + times, class_="hidden-char"))
        else:
            pieces.append("\ufffd")
    pieces.append(text[at:])
    return join(pieces)


def script_json(text: str) -> Markup:
    r"""Returns JSON for a `<script type="application/json">`, which nothing in it can end.

    Args:
        text: The JSON text; what HTML or UTF-8 could not carry becomes `\uXXXX`.
    """
    safe = HIDDEN.sub(lambda found: json.dumps(found.group())[1:-1], text)
    # ASCII that JSON has no need to escape, but HTML has.
    for char in "<>&\x7f":
        safe = safe.replace(char, f"\\u{ord(char):04x}")
    return Markup(safe)
