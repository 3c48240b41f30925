"""Rules by which web pages are chosen, with the constants of their papers.

They were made for documents. Of short answers they drop most of the good ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from datakit.outcome import Drop

__all__ = ["WEB_RULES"]

_STOP = {"the", "be", "to", "of", "and", "that", "have", "with"}
_ENDS = (".", "!", "?", '"', "\u201d", "\u3002")
_SENTENCE = re.compile(r"[.!?\u3002](?:\s|$)")
_PARAGRAPHS = re.compile(r"\n{2,}")


def _gopher(text: str) -> Iterator[Drop]:
    """Rae et al. 2021, table A1: quality."""
    words = text.split()
    count = max(1, len(words))
    if not 50 <= len(words) <= 100_000:
        yield Drop("gopher_words", words=len(words), min_words=50, max_words=100_000)
    mean = sum(map(len, words)) / count
    if not 3 <= mean <= 10:
        yield Drop("gopher_word_length", mean=round(mean, 4), min_mean=3, max_mean=10)
    for sign in ("#", "..."):
        if (share := text.count(sign) / count) > 0.1:
            yield Drop("gopher_symbols", symbol=sign, share=round(share, 4), max_share=0.1)
    lines = text.splitlines() or [""]
    bullets = sum(line.lstrip().startswith(("-", "*", "\u2022")) for line in lines) / len(lines)
    if bullets > 0.9:
        yield Drop("gopher_bullets", share=round(bullets, 4), max_share=0.9)
    dots = sum(line.rstrip().endswith(("...", "\u2026")) for line in lines) / len(lines)
    if dots > 0.3:
        yield Drop("gopher_ellipses", share=round(dots, 4), max_share=0.3)
    if (letters := sum(any(map(str.isalpha, word)) for word in words) / count) < 0.8:
        yield Drop("gopher_letters", share=round(letters, 4), min_share=0.8)
    if (stops := len(_STOP & {word.lower() for word in words})) < 2:
        yield Drop("gopher_stop_words", found=stops, min_found=2)


def _gopher_repetition(text: str) -> Iterator[Drop]:
    """Rae et al. 2021, table A1: repetition."""
    for name, parts in (
        ("lines", text.splitlines()),
        ("paragraphs", _PARAGRAPHS.split(text.strip())),
    ):
        times = Counter(part for part in parts if part)
        again = sum(count - 1 for count in times.values())
        if (share := again / max(1, times.total())) > 0.3:
            yield Drop("gopher_duplicate", of_what=name, share=round(share, 4), max_share=0.3)
        chars = sum((count - 1) * len(part) for part, count in times.items())
        if (share := chars / max(1, len(text))) > 0.2:
            yield Drop("gopher_duplicate", of_what=f"{name}' characters", share=round(share, 4))
    words = text.split()
    for size, most in ((2, 0.2), (3, 0.18), (4, 0.16)):
        grams = Counter(_grams(words, size))
        gram, count = next(iter(grams.most_common(1)), ("", 0))
        if (share := len(gram) * count / max(1, len(text))) > most:
            yield Drop("gopher_top_ngram", n=size, share=round(share, 4), max_share=most)
    for size, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1)):
        if (share := _repeated(words, size) / max(1, len(text))) > most:
            yield Drop("gopher_ngrams", n=size, share=round(share, 4), max_share=most)


def _grams(words: Sequence[str], size: int) -> list[str]:
    return [" ".join(words[at : at + size]) for at in range(len(words) - size + 1)]


def _repeated(words: Sequence[str], size: int) -> int:
    """Returns the characters of n-grams that were there before, none counted twice."""
    seen: set[str] = set()
    chars = at = 0
    grams = _grams(words, size)
    while at < len(grams):
        if grams[at] in seen:
            chars += len(grams[at])
            at += size
        else:
            seen.add(grams[at])
            at += 1
    return chars


def _c4(text: str) -> Iterator[Drop]:
    """Raffel et al. 2020, section 2.2."""
    lines = [
        line
        for line in text.splitlines()
        if line.rstrip().endswith(_ENDS)
        and len(line.split()) >= 5
        and "javascript" not in line.lower()
    ]
    if "{" in text:
        yield Drop("c4_curly_bracket", at=text.index("{"))
    if "lorem ipsum" in text.lower():
        yield Drop("c4_lorem_ipsum", at=text.lower().index("lorem ipsum"))
    if (found := len(_SENTENCE.findall("\n".join(lines)))) < 3:
        yield Drop("c4_sentences", found=found, min_found=3, lines=len(lines))


def _fineweb(text: str) -> Iterator[Drop]:
    """Penedo et al. 2024, section 3.6."""
    lines = [line for line in text.split("\n") if line.strip()] or [""]
    if (share := sum(line.rstrip().endswith(_ENDS) for line in lines) / len(lines)) <= 0.12:
        yield Drop("fineweb_line_ends", share=round(share, 4), over=0.12)
    if (short := sum(len(line) <= 30 for line in lines) / len(lines)) >= 0.67:
        yield Drop("fineweb_short_lines", share=round(short, 4), under=0.67)
    times = Counter(lines)
    chars = sum((count - 1) * len(line) for line, count in times.items())
    if (again := chars / max(1, len(text))) >= 0.01:
        yield Drop("fineweb_duplicate_lines", share=round(again, 4), under=0.01)


WEB_RULES: Mapping[str, Callable[[str], Iterator[Drop]]] = {
    "gopher": _gopher,
    "gopher_repetition": _gopher_repetition,
    "c4": _c4,
    "fineweb": _fineweb,
}
"""What each finds wrong with a text, by name."""
