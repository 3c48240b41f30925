"""Everything that a user or an outage can cause.

    DatakitError
      InputError            the user's input is wrong                    exit 2
        PipelineError       a pipeline file
        RecordError         a line of a data file
        StoreError          the folder of versions
        MissingExtraError   a package that an extra brings (also ImportError)
        MissingKeyError     an API key that is not set
      BudgetError           the budget is reached, work so far is saved   exit 3
      ProviderError         a provider failed for good                   exit 4
        RequestError        one request was refused: a fault of that request alone
        BusyError           no answer now; the same request may have one later

An error holds its mistakes as finished lines of text, so that all of them are shown at once. What
a terminal would act on is made visible in them: they quote files that nobody vouches for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

__all__ = [
    "BudgetError",
    "BusyError",
    "DatakitError",
    "DatakitWarning",
    "InputError",
    "MissingExtraError",
    "MissingKeyError",
    "PipelineError",
    "ProviderError",
    "RecordError",
    "RequestError",
    "StoreError",
    "did_you_mean",
    "visible",
]

# Controls (but not tab and newline), direction overrides, invisible letters, tags and half
# characters: passed on, they would act, or show something else than the text holds. Joiners
# (U+200C, U+200D) are spelling. The report's script has the same characters.
HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f"
    r"\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff9-\ufffb"
    r"\ufffe\uffff\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """Returns a text with control and direction characters shown as `<U+202E>`.

    Files and records are not trusted: their characters must not act on a terminal.
    """
    return HIDDEN.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)


class DatakitError(Exception):
    """Base of all errors that end a command with a plain message.

    Args:
        problems: One mistake, or several; each is one to three finished lines.
    """

    exit_code = 1

    def __init__(self, problems: str | Iterable[str]) -> None:
        listed = (problems,) if isinstance(problems, str) else problems
        self.problems = tuple(map(visible, listed))
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type[DatakitError], tuple[Any, ...]]:
        return type(self), (self.problems,)


class InputError(DatakitError, ValueError):
    """Something that the user gave is wrong."""

    exit_code = 2


class PipelineError(InputError):
    """A pipeline file is wrong; each problem names file, line, column and key."""


class RecordError(InputError):
    """A data file is wrong; each problem names file and line."""


class StoreError(InputError):
    """The folder of versions cannot be read or written as asked."""


class MissingExtraError(InputError, ImportError):
    """A package is needed that only an extra installs."""

    @classmethod
    def of(cls, package: str, extra: str, purpose: str) -> MissingExtraError:
        """Builds the error for `package`, which `pip install datakit[extra]` brings."""
        return cls(
            f"{purpose} needs the package {package!r}. Install it: pip install {package}; or all "
            f"that belongs to it, the extra {extra!r}: pip install 'datakit[{extra}]'"
        )


class MissingKeyError(InputError):
    """An API key is not in the environment."""


class BudgetError(DatakitError):
    """The budget is reached; what was paid for is saved."""

    exit_code = 3


class ProviderError(DatakitError):
    """A provider or server failed for good; what was answered is saved."""

    exit_code = 4


class RequestError(ProviderError):
    """A provider refused one request; the others go on.

    Args:
        problems: What the provider said.
        reason: The stable word that `dropped.jsonl` shows, such as `bad_request`.
    """

    def __init__(self, problems: str | Iterable[str], reason: str = "bad_request") -> None:
        super().__init__(problems)
        self.reason = reason

    def __reduce__(self) -> tuple[type[RequestError], tuple[Any, ...]]:
        return type(self), (self.problems, self.reason)


class BusyError(ProviderError):
    """A provider does not answer now, and may later: 408, 409, 429, 5xx, a lost connection.

    Args:
        problems: What the provider said.
        kind: `rate` (too many requests), `server`, `unreached` (nothing was sent), or `lost`: it
            was sent, no answer came, and it may have been paid for.
        after: Seconds after which the provider wants to be asked again, if it said so.
    """

    def __init__(
        self, problems: str | Iterable[str], kind: str = "server", after: float | None = None
    ) -> None:
        super().__init__(problems)
        self.kind, self.after = kind, after

    def __reduce__(self) -> tuple[type[BusyError], tuple[Any, ...]]:
        return type(self), (self.problems, self.kind, self.after)


class DatakitWarning(UserWarning):
    """Something that a user should know, though the work goes on."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns `; did you mean "X"?` for the nearest known word, or an empty text."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{near[0]}"?' if near else ""
