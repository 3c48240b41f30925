"""Short answers in texts: the final answer, its plain form, and its number."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

__all__ = ["final", "number_in", "plain", "sole_number"]

# As GSM8K (arXiv 2110.14168) ends its answers: "#### 18".
_MARK = "####"
_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\}){1,200})\}")
_FRAC = re.compile(r"\\[dt]?frac\{(-?\d{1,40})\}\{(\d{1,40})\}")
_DIGITS = r"(?:\d{1,3}(?:,\d{3}){1,12}|\d{1,40})"
# More digits would be no amount of anything, and take long.
_EXPONENT = r"(?:[eE][-+]?\d{1,3}(?!\d))?"
_NUMBER = re.compile(
    # Not within a word, such as CO2, nor the minus of 10-3.
    r"(?<![\w.,/])(?P<sign>[-+](?=[\d$.€£]))?[$€£]?\s?"
    rf"(?:(?P<whole>{_DIGITS})\s+(?P<over>\d{{1,9}})\s?/\s?(?P<under>\d{{1,9}})(?![\d/])"
    rf"|(?P<top>{_DIGITS})\s?/\s?(?P<bottom>{_DIGITS})(?![\d/])"
    rf"|(?P<plain>(?:{_DIGITS}(?:\.\d{{1,40}})?|\.\d{{1,40}}){_EXPONENT}))"
)
_AROUND = " \t\n\r.,;:!?\"'`*_()[]$"
# A number that stands for itself may be followed by so many words: "18 dollars a day".
_UNIT_WORDS = 3


def final(text: str) -> str:
    """Returns the part of an answer that is its result: behind `####`, in a box, or all of it."""
    if _MARK in text:
        return text.rpartition(_MARK)[2].strip().partition("\n")[0].strip()
    boxed = _BOXED.findall(text)
    return str(boxed[-1]).strip() if boxed else text.strip()


def plain(text: str) -> str:
    """Returns a text as exact answers are compared.

    Compatibility forms, case, white space, and punctuation and marks around it make no difference.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).strip(_AROUND)


def number_in(text: str) -> Fraction | None:
    """Returns the last number of a text, or None.

    It knows thousands (1,234.50), currency signs, exponents (1.5e-3), fractions (3/4), mixed
    numbers (1 1/2) and LaTeX's `frac`; a unit or a percent sign behind it does not count.
    """
    found = list(_NUMBER.finditer(_prepared(text)))
    return _value(found[-1]) if found else None


def sole_number(text: str) -> Fraction | None:
    """Returns the number that a text is, with no more than a unit of three words; else None."""
    text = _prepared(text).strip()
    match = _NUMBER.match(text)
    if not match:
        return None
    rest = text[match.end() :].strip(_AROUND + "%°")
    if re.search(r"\d", rest) or len(rest.split()) > _UNIT_WORDS:
        return None
    return _value(match)


def _prepared(text: str) -> str:
    text = text.replace("\u2212", "-").replace("\\$", "$").replace("\\%", "%").replace("**", "")
    return _FRAC.sub(r"\1/\2", text)


def _value(match: re.Match[str]) -> Fraction:
    sign = -1 if match["sign"] == "-" else 1
    if match["whole"] is not None:
        under = int(match["under"])
        part = Fraction(int(match["over"]), under) if under else Fraction(0)
        return sign * (_whole(match["whole"]) + part)
    if match["top"] is not None:
        bottom = _whole(match["bottom"])
        return sign * _whole(match["top"]) / (bottom or 1)
    return sign * _whole(match["plain"])


def _whole(text: str) -> Fraction:
    return Fraction(text.replace(",", ""))
