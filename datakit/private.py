"""Keys and personal data in texts: where they stand, and of which kind they are.

Keys are told by their form, by the detectors of detect-secrets (https://github.com/Yelp/detect-secrets);
those that go by entropy or by a word beside it ("password") flag 97 % of code, and are left out.
Personal data are told by form and checksum.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from datakit.errors import MissingExtraError

__all__ = ["KINDS", "Found", "Kind", "keys_in", "personal_in"]

Kind = Literal["email", "phone", "card", "iban", "ip"]
KINDS: tuple[Kind, ...] = ("email", "phone", "card", "iban", "ip")

_DETECTORS = (
    "artifactory.ArtifactoryDetector",
    "aws.AWSKeyDetector",
    "azure_storage_key.AzureStorageKeyDetector",
    "discord.DiscordBotTokenDetector",
    "github_token.GitHubTokenDetector",
    "gitlab_token.GitLabTokenDetector",
    "jwt.JwtTokenDetector",
    "mailchimp.MailchimpDetector",
    "npm.NpmDetector",
    "openai.OpenAIDetector",
    "private_key.PrivateKeyDetector",
    "pypi_token.PypiTokenDetector",
    "sendgrid.SendGridDetector",
    "slack.SlackDetector",
    "stripe.StripeDetector",
    "telegram_token.TelegramBotTokenDetector",
    "twilio.TwilioKeyDetector",
)
_FORMS: dict[Kind, re.Pattern[str]] = {
    "email": re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])"),
    # With a country's number, or as in North America; other digits are as likely an amount.
    "phone": re.compile(
        r"(?<![\w+])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]?\d{2,4}){1,4}"
        r"|\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4})(?![\w-])"
    ),
    "card": re.compile(r"(?<![\w-])\d{4}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\w-])"),
    "iban": re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)"),
    "ip": re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])"),
}
# Of those whom users of this package have keys from; detect-secrets does not know these. The form
# of OpenAI's is theirs too, but they know it only with a mark in its middle that newer ones lack.
_OURS = {
    "anthropic_key": re.compile(r"(?<![\w-])sk-ant-[A-Za-z0-9_-]{20,}"),
    "openai_key": re.compile(r"(?<![\w-])sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}"),
    "hugging_face_token": re.compile(r"(?<![\w-])hf_[A-Za-z0-9]{30,}"),
    "google_api_key": re.compile(r"(?<![\w-])AIza[A-Za-z0-9_-]{35}"),
}
# No known form of a key is shorter; a text of a million lines may be empty in most.
_SHORTEST_KEY = 8
# Made for examples (RFC 2606); nobody's.
_EXAMPLE = re.compile(r"@(?:[\w-]+\.)*(?:example(?:\.(?:com|org|net))?|test|invalid|localhost)\Z")


@dataclass(frozen=True, order=True)
class Found:
    """A piece of a text: `text[start:end]`.

    Args:
        start: Where it begins.
        end: Where it ends.
        kind: What it is, as one word.
    """

    start: int
    end: int
    kind: str


def keys_in(text: str) -> list[Found]:
    """Returns the keys and tokens in a text, in their order, none within another.

    Raises:
        MissingExtraError: If detect-secrets is not installed.
    """
    detectors = _detectors()
    found: list[Found] = []
    offset = 0
    for line in text.splitlines(keepends=True):
        for kind, patterns in detectors if len(line) >= _SHORTEST_KEY else ():
            for pattern in patterns:
                spans = (match.span() for match in pattern.finditer(line))
                found += [Found(offset + a, offset + b, kind) for a, b in spans if b > a]
        offset += len(line)
    return _apart(found)


def personal_in(text: str, kinds: Sequence[Kind] = KINDS) -> list[Found]:
    """Returns the personal data in a text, in their order, none within another.

    Args:
        text: The text.
        kinds: Which are looked for. Addresses at example.com and of private networks are nobody's.
    """
    found = [
        Found(match.start(), match.end(), kind)
        for kind in kinds
        for match in _FORMS[kind].finditer(text)
        if _real(kind, match.group())
    ]
    return _apart(found)


def _apart(found: Sequence[Found]) -> list[Found]:
    kept: list[Found] = []
    for each in sorted(found, key=lambda one: (one.start, -one.end)):
        if not kept or each.start >= kept[-1].end:
            kept.append(each)
    return kept


def _real(kind: Kind, text: str) -> bool:
    if kind == "email":
        return _EXAMPLE.search(text.lower()) is None
    if kind == "card":
        digits = [int(each) for each in text if each.isdecimal()]
        return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and _luhn(digits)
    if kind == "iban":
        plain = text.replace(" ", "")
        turned = "".join(str(int(each, 36)) for each in plain[4:] + plain[:4])
        return 15 <= len(plain) <= 34 and int(turned) % 97 == 1
    if kind == "ip":
        try:
            return ipaddress.ip_address(text).is_global
        except ValueError:
            return False
    return 9 <= sum(map(str.isdecimal, text)) <= 15


def _luhn(digits: Sequence[int]) -> bool:
    doubled = (sum(divmod(2 * each, 10)) for each in digits[-2::-2])
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


@cache
def _detectors() -> tuple[tuple[str, tuple[re.Pattern[str], ...]], ...]:
    return (*_opened(), *((kind, (pattern,)) for kind, pattern in _OURS.items()))


def _opened() -> Iterator[tuple[str, tuple[re.Pattern[str], ...]]]:
    import importlib

    for place in _DETECTORS:
        module, _, name = place.partition(".")
        try:
            made: Any = getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)()
        except ImportError:
            raise MissingExtraError.of("detect-secrets", "secrets", "filter.secrets") from None
        kind = re.sub(r"\W+", "_", made.secret_type.lower())
        yield kind, tuple(made.denylist)
