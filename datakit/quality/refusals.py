"""How answers that refuse, or that speak as a machine, begin in several languages."""

from __future__ import annotations

import re

__all__ = ["disclaimer", "refusal"]

# Openings only: lists of topic words ("illegal", "ethics") delete topics, not refusals.
_REFUSAL = re.compile(
    r"""\s*
    (?:(?:i['\u2019]m|i\s+am|we\s+are)\s+(?:very\s+|really\s+|so\s+)?sorry\b[,.]?\s*(?:but\s+)?
      |sorry[,.]?\s*(?:but\s+)?|i\s+apologi[sz]e[,.]?\s*(?:but\s+)?|unfortunately[,.]?\s*)*
    (?:as\s+an?\s+(?:ai|artificial\s+intelligence|(?:large\s+)?language\s+model)\b[^,.]{0,60}[,.]\s*
      (?:but\s+)?)?
    (?:i|we)\s*(?:['\u2019]m|\s+am|\s+are)?\s*
    (?:can\s*not|can['\u2019]?t|won['\u2019]?t|will\s+not|unable\s+to|not\s+able\s+to|not\s+comfortable)\s+
    (?:\w+ly\s+)?
    (?:assist|help|fulfil|comply|engage\s+in|provide|answer|generate|create|write|produce|complete
      |access|browse|open|view|see\s+(?:the|any)|support|encourag|promot|do\s+that|participate)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_REFUSALS = re.compile(
    r"""\s*(?:
    # German, Dutch
    (?:(?:es\s+tut\s+mir\s+leid|entschuldigung|leider)[,.!]?\s*(?:aber\s+)?)?
      (?:(?:ich|wir)\s+(?:kann|k\u00f6nnen|darf|d\u00fcrfen)|(?:kann|darf)\s+ich)\s+
      (?:\w+\s+){0,6}?nicht\s+(?:helfen|weiterhelfen|beantworten|unterst\u00fctzen|erf\u00fcllen)
    |(?:(?:het\s+spijt\s+me|sorry|helaas)[,.!]?\s*(?:maar\s+)?)?(?:ik\s+kan|kan\s+ik)\s+
      (?:\w+\s+){0,6}?niet\s+(?:helpen|beantwoorden|assisteren|meewerken)
    # French, Spanish, Italian, Portuguese
    |(?:(?:je\s+suis\s+)?d\u00e9sol\u00e9e?|je\s+m['\u2019]excuse)[,.!]?\s*(?:mais\s+)?je\s+ne\s+
      (?:peux|suis\s+pas|puis)
    |lo\s+siento[,.!]?\s*(?:pero\s+)?no\s+(?:puedo|me\s+es\s+posible)
    |mi\s+dispiace[,.!]?\s*(?:ma\s+)?non\s+(?:posso|sono\s+in\s+grado)
    |(?:desculpe|sinto\s+muito|lamento)[,.!]?\s*(?:mas\s+)?(?:eu\s+)?n\u00e3o\s+(?:posso|consigo)
    # Russian, Chinese, Japanese, Korean, Arabic, Turkish
    |(?:извините|простите|к\s+сожалению)[,.!]?\s*(?:но\s+)?я\s+не\s+(?:могу|смогу)
    |(?:很?抱歉|对不起|對不起)[\uff0c,\u3002!]?\s*(?:但是?)?我?(?:无法|不能|無法)
    |(?:申し訳(?:ありません|ございません)|すみません)(?:が)?[、,。]?.{0,40}?(?:できません|かねます)
    |죄송(?:합니다|하지만)[.,]?.{0,50}?(?:수\s*없습니다|어렵습니다)
    |(?:عذرا|عذراً|آسف|أعتذر)[،,.]?\s*(?:لكن\s+)?(?:لا\s+)(?:أستطيع|يمكنني)
    |(?:\u00fczg\u00fcn\u00fcm|maalesef)[,.!]?\s*(?:ama\s+)?.{0,40}?(?:yard\u0131mc\u0131\s+olamam|yapamam|edemem)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_DISCLAIMER = re.compile(
    r"""\s*(?:
    as\s+an?\s+(?:ai|artificial\s+intelligence)(?:\s+language)?\s*(?:model|assistant)?\s*,
    |as\s+a\s+(?:large\s+)?language\s+model\b
    |als\s+(?:ein(?:e)?\s+)?(?:ki(?:-\w+)?|k\u00fcnstliche\s+intelligenz|(?:gro\u00dfes\s+)?sprachmodell)\b
    |als\s+(?:een\s+)?(?:ai(?:-\w+)?|(?:groot\s+)?taalmodel)\b
    |en\s+tant\s+qu(?:e\s+|['\u2019])(?:une?\s+)?(?:ia|intelligence\s+artificielle|mod\u00e8le\s+de\s+lang)
    |como\s+(?:un\s+|um\s+|una\s+|uma\s+)?(?:ia|inteligencia\s+artificial|intelig\u00eancia\s+artificial
      |modelo\s+de\s+(?:lenguaje|linguagem))\b
    |(?:in\s+quanto|come)\s+(?:un\s+)?(?:ia|intelligenza\s+artificiale|modello\s+(?:linguistico|di\s+lingu))
    |как\s+(?:языковая\s+модель|искусственный\s+интеллект|ии)\b
    |作为(?:一个|一名|一種)?(?:大型)?\s*(?:ai|人工智能|语言模型)
    |(?:私は)?(?:ai|人工知能|言語モデル)(?:アシスタント|言語モデル)?として
    |(?:ai|인공지능)\s*(?:언어\s*모델)?(?:로서|으로서)
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def refusal(text: str) -> re.Match[str] | None:
    """Returns the opening with which an answer refuses, or None."""
    return _REFUSAL.match(text) or _REFUSALS.match(text)


def disclaimer(text: str) -> re.Match[str] | None:
    """Returns the opening with which an answer says that a machine gives it, or None."""
    return _DISCLAIMER.match(text)
