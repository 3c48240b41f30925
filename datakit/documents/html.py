"""HTML to text: what a reader would read, with a blank line between blocks."""

from __future__ import annotations

import re
from html.parser import HTMLParser

__all__ = ["html_text"]

_DROPPED = {"head", "nav", "noscript", "script", "style", "svg", "template"}
# What may stand in a head; anything else ends it, as its end tag may be left out.
_IN_HEAD = {"base", "link", "meta", "noscript", "script", "style", "template", "title"}
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "div", "dl"}
    | {"dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5"}
    | {"h6", "header", "hr", "main", "ol", "p", "pre", "section", "summary", "table", "ul"}
)
_LINES = {"br", "li", "tr"}
_CELLS = {"td", "th"}
_SPACE = re.compile(r"[ \t\n\r\f]+")


def html_text(source: str) -> str:
    """Returns the text of an HTML page.

    Scripts, styles, navigation and the head are left out. Blocks stand apart by a blank line,
    items, rows and lines by a line break, cells by a tab; `pre` keeps its lines.

    Args:
        source: The page.
    """
    parser = _Reader()
    parser.feed(source)
    parser.close()
    return parser.text()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._breaks = 0
        self._gap = self._marker = ""
        self._dropped: list[str] = []
        self._pre = 0

    def text(self) -> str:
        """Returns what was read."""
        return "".join(self._parts)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Begins a block, or leaves one out."""
        if self._dropped == ["head"] and tag not in _IN_HEAD:
            self._dropped.clear()
        if self._dropped:
            # Only its own kind can be nested in what is left out.
            if tag == self._dropped[0]:
                self._dropped.append(tag)
        elif tag in _DROPPED:
            self._dropped.append(tag)
            self._break(2)
        else:
            self._pre += tag == "pre"
            self._bound(tag)
            if tag == "li":
                self._marker = "- "

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """Takes `<script/>` for a beginning, as browsers do, and `<path/>` for nothing."""
        if tag not in _DROPPED or tag == "svg":
            self._bound(tag)
        else:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Ends a block."""
        if self._dropped:
            if tag == self._dropped[-1]:
                self._dropped.pop()
        elif tag != "br":
            self._pre -= tag == "pre" and self._pre > 0
            if tag in ("li", "ol", "ul"):
                self._marker = ""
            self._bound(tag)

    def handle_data(self, data: str) -> None:
        """Takes text, its spaces as one outside `pre`."""
        if self._dropped:
            return
        if self._pre:
            self._add(data if self._parts and not self._breaks else data.lstrip("\n"))
            return
        for at, word in enumerate(_SPACE.split(data)):
            if at:
                self._gap = self._gap or " "
            if word:
                self._add(word)

    def _bound(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._break(2)
        elif tag in _LINES:
            self._break(1)
        elif tag in _CELLS and not self._breaks:
            self._gap = "\t"

    def _break(self, lines: int) -> None:
        self._breaks = max(self._breaks, lines)

    def _add(self, text: str) -> None:
        if not text:
            return
        if self._parts:
            self._parts.append("\n" * self._breaks or self._gap)
        self._parts.append(self._marker + text)
        self._breaks, self._gap, self._marker = 0, "", ""
