"""IFEval's 25 checks of an answer, by rules (Zhou et al. 2023, arXiv 2311.07911).

The parameters of a check after the answer, with their types, are the arguments of its kind, under
the names that the published data has. The checks follow the published checker
(google-research/instruction_following_eval). Where they part from it on purpose:

- keywords, markers and dividers are texts, never patterns;
- `letter_frequency` counts any character; the published checker puts a letter drawn by chance in
  the place of one that is not a to z;
- sentences and the language are told by `trainers.evaluate.counting`, not by NLTK and langdetect;
- a `*` alone in its line is no bullet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta

from trainers.evaluate import counting

__all__ = ["CHECKS", "LANGUAGE"]

Relation = Literal["less than", "at least"]
Count = Annotated[int, Meta(ge=0)]
Place = Annotated[int, Meta(ge=1)]
Letter = Annotated[str, Meta(min_length=1, max_length=1)]
Text = Annotated[str, Meta(min_length=1)]
Texts = Annotated[tuple[Text, ...], Meta(min_length=1)]

CHECKS: dict[str, Callable[..., bool]] = {}
"""The check of each kind of constraint: (answer, **arguments) -> whether it is met."""

LANGUAGE = ("language:response_language", "change_case:english_")
"""How the kinds begin whose check tells a language."""

# What `detectable_format:constrained_response` asks for; the data does not hold it.
_OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def _kind(name: str) -> Callable[[Callable[..., bool]], Callable[..., bool]]:
    def register(check: Callable[..., bool]) -> Callable[..., bool]:
        CHECKS[name] = check
        return check

    return register


def _compares(number: int, relation: Relation, threshold: int) -> bool:
    return number < threshold if relation == "less than" else number >= threshold


@_kind("keywords:existence")
def _existence(answer: str, keywords: Texts) -> bool:
    lowered = answer.lower()
    return all(keyword.lower() in lowered for keyword in keywords)


@_kind("keywords:frequency")
def _frequency(answer: str, keyword: Text, frequency: Count, relation: Relation) -> bool:
    # Within words too: "story" is in "history", as for the published checker.
    return _compares(answer.lower().count(keyword.strip().lower()), relation, frequency)


@_kind("keywords:forbidden_words")
def _forbidden(answer: str, forbidden_words: Texts) -> bool:
    found = (rf"(?<!\w){re.escape(word)}(?!\w)" for word in forbidden_words)
    return not any(re.search(pattern, answer, re.IGNORECASE) for pattern in found)


@_kind("keywords:letter_frequency")
def _letters(answer: str, letter: Letter, let_frequency: Count, let_relation: Relation) -> bool:
    return _compares(answer.lower().count(letter.lower()), let_relation, let_frequency)


@_kind("language:response_language")
def _language(answer: str, language: Text) -> bool:
    return counting.is_language(answer, language)


@_kind("length_constraints:number_sentences")
def _sentences(answer: str, num_sentences: Count, relation: Relation) -> bool:
    return _compares(counting.sentences(answer), relation, num_sentences)


@_kind("length_constraints:number_words")
def _words(answer: str, num_words: Count, relation: Relation) -> bool:
    return _compares(counting.words(answer), relation, num_words)


@_kind("length_constraints:number_paragraphs")
def _paragraphs(answer: str, num_paragraphs: Count) -> bool:
    """Tells whether `***` divides the answer so; one more at either end divides nothing off."""
    parts = [part.strip() for part in answer.split("***")]
    return all(parts[1:-1]) and len(list(filter(None, parts))) == num_paragraphs


@_kind("length_constraints:nth_paragraph_first_word")
def _first_word(answer: str, num_paragraphs: Count, nth_paragraph: Place, first_word: Text) -> bool:
    r"""Tells whether paragraphs, parted by "\n\n", are so many, and the n-th begins so.

    Blank ones are not counted, but have a place, as for the published checker.
    """
    parts = answer.split("\n\n")
    filled = sum(bool(part.strip()) for part in parts)
    if filled != num_paragraphs or nth_paragraph > filled:
        return False
    word = parts[nth_paragraph - 1].split()[:1]
    begins = re.split(r"[.,?!'\"]", word[0].lstrip("'").lstrip('"'))[0] if word else ""
    return begins.lower() == first_word.lower()


@_kind("detectable_content:number_placeholders")
def _placeholders(answer: str, num_placeholders: Count) -> bool:
    return counting.placeholders(answer) >= num_placeholders


@_kind("detectable_content:postscript")
def _postscript(answer: str, postscript_marker: Text) -> bool:
    marker = postscript_marker.strip()
    known = {"P.S.": r"p\.\s?s\.", "P.P.S": r"p\.\s?p\.\s?s"}
    pattern = known.get(marker) or re.escape(marker.lower())
    return re.search(pattern, answer.lower()) is not None


@_kind("detectable_format:number_bullet_lists")
def _bullets(answer: str, num_bullets: Count) -> bool:
    return counting.bullets(answer) == num_bullets


@_kind("detectable_format:constrained_response")
def _constrained(answer: str) -> bool:
    return any(option in answer for option in _OPTIONS)


@_kind("detectable_format:number_highlighted_sections")
def _highlights(answer: str, num_highlights: Count) -> bool:
    return counting.highlights(answer) >= num_highlights


@_kind("detectable_format:multiple_sections")
def _sections(answer: str, section_spliter: Text, num_sections: Count) -> bool:
    pattern = re.escape(section_spliter.strip()) + r"\s?\d+"
    return len(re.findall(pattern, answer)) >= num_sections


@_kind("detectable_format:json_format")
def _json(answer: str) -> bool:
    """Tells whether all of the answer is one JSON value, in a Markdown fence or not."""
    text = answer.strip()
    for mark in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(mark)
    try:
        json.loads(text.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


@_kind("detectable_format:title")
def _title(answer: str) -> bool:
    return counting.titles(answer) > 0


@_kind("combination:two_responses")
def _two_responses(answer: str) -> bool:
    parts = [part.strip() for part in answer.split("******")]
    given = list(filter(None, parts))
    return all(parts[1:-1]) and len(given) == 2 and given[0] != given[1]


@_kind("combination:repeat_prompt")
def _repeats(answer: str, prompt_to_repeat: Text) -> bool:
    return answer.strip().lower().startswith(prompt_to_repeat.strip().lower())


@_kind("startend:end_checker")
def _ends(answer: str, end_phrase: Text) -> bool:
    return answer.strip().strip('"').lower().endswith(end_phrase.strip().lower())


@_kind("startend:quotation")
def _quoted(answer: str) -> bool:
    text = answer.strip()
    return len(text) > 1 and text[0] == text[-1] == '"'


@_kind("change_case:capital_word_frequency")
def _capital_words(answer: str, capital_frequency: Count, capital_relation: Relation) -> bool:
    return _compares(counting.capital_words(answer), capital_relation, capital_frequency)


@_kind("change_case:english_capital")
def _capital(answer: str) -> bool:
    return answer.isupper() and counting.is_language(answer, "en")


@_kind("change_case:english_lowercase")
def _lowercase(answer: str) -> bool:
    return answer.islower() and counting.is_language(answer, "en")


@_kind("punctuation:no_comma")
def _no_comma(answer: str) -> bool:
    return "," not in answer
