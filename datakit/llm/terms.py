"""What the terms of a teacher say about training on its answers. It is no legal advice.

A row has the date of the terms that it was written from: terms change, and the address has those of
today. A host's terms hold beside those of the model that it serves.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Terms", "Training", "terms_of"]

Training = Literal["allowed", "limited", "unknown"]


@dataclass(frozen=True)
class Terms:
    """Terms of use, as far as they touch a dataset.

    Args:
        name: Whose they are.
        url: Where they are.
        date: Of the version that this was written from, `YYYY-MM-DD` or `YYYY-MM`; empty if none.
        training: Whether a model may be trained on the answers.
        limit: What it may not be, if that is limited.
        duties: What has to be done by who distributes a model trained on them.
    """

    name: str
    url: str
    date: str = ""
    training: Training = "unknown"
    limit: str = ""
    duties: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns it as the manifest has it."""
        return asdict(self) | {"duties": list(self.duties)}


_RIVAL = "no model that competes with the provider's"
_HOSTS = {
    "openai": Terms(
        "OpenAI Services Agreement",
        "https://openai.com/policies/services-agreement/",
        "2025-05-31",
        "limited",
        _RIVAL,
    ),
    "anthropic": Terms(
        "Anthropic Commercial Terms",
        "https://www.anthropic.com/legal/commercial-terms",
        "2025-06-17",
        "limited",
        _RIVAL,
    ),
    "gemini": Terms(
        "Gemini API Additional Terms",
        "https://ai.google.dev/gemini-api/terms",
        "2025-05-20",
        "limited",
        _RIVAL,
    ),
    "together": Terms("Together AI Terms of Service", "https://www.together.ai/terms-of-service"),
}
_APACHE = Terms("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0", training="allowed")
_MIT = Terms("MIT", "https://opensource.org/license/mit", training="allowed")
_NAMED = (
    'the name of a distributed model begins with "Llama"',
    'say "Built with Llama" where it is offered',
)


def _llama(version: str, date: str, training: Training = "allowed") -> Terms:
    url = f"https://www.llama.com/llama{version.replace('.', '_')}/license/"
    limit = "" if training == "allowed" else "no model but Llama and what derives from it"
    duties = _NAMED if training == "allowed" else ()
    return Terms(f"Llama {version} Community License", url, date, training, limit, duties)


# The first pattern that is found in a model's name, in lower case, counts.
_MODELS: tuple[tuple[str, Terms], ...] = (
    (r"llama-?4", _llama("4", "2025-04-05")),
    (r"llama-?3\.3", _llama("3.3", "2024-12-06")),
    (r"llama-?3\.2", _llama("3.2", "2024-09-25")),
    (r"llama-?3\.1", _llama("3.1", "2024-07-23")),
    (r"llama-?3(?![.\d])", _llama("3", "2024-04-18", "limited")),
    (r"llama-?2(?![.\d])", _llama("2", "2023-07-18", "limited")),
    (r"gemma-?4", _APACHE),
    (
        r"gemma",
        Terms(
            "Gemma Terms of Use",
            "https://ai.google.dev/gemma/terms",
            "2026-04-01",
            "allowed",
            duties=("these terms go along with a model that is trained on its answers",),
        ),
    ),
    (
        r"qwen-?2\.5-72b",
        Terms(
            "Qwen License",
            "https://huggingface.co/Qwen/Qwen2.5-72B-Instruct/blob/main/LICENSE",
            "2024-09-19",
            "allowed",
            duties=('say "Improved using Qwen" in the documentation of a distributed model',),
        ),
    ),
    (r"deepseek-r1", _MIT),
    (r"smollm|gpt-oss|mixtral-8x|mistral-7b", _APACHE),
)


def terms_of(provider: str, model: str, base_url: str | None = None) -> list[Terms]:
    """Returns what is known of the terms of a teacher: its host's, then its model's.

    Args:
        provider: As in `Teacher`.
        model: The model's name there.
        base_url: The server, if it is not the provider's own.

    Returns:
        None of them if nothing is known.
    """
    found = []
    host = provider if base_url is None else _host(base_url)
    if host in _HOSTS:
        found.append(_HOSTS[host])
    low = model.lower().replace("_", "-")
    found += [terms for pattern, terms in _MODELS if re.search(pattern, low)][:1]
    return found


def _host(url: str) -> str:
    if "generativelanguage.googleapis.com" in url:
        return "gemini"
    found = re.match(r"https?://api\.(openai|anthropic|together)\.(?:com|ai|xyz)(?:[:/]|$)", url)
    return found[1] if found else ""
