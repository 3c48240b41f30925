"""Files to documents: which of a folder are read, and what text each of them has."""

from __future__ import annotations

import re
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datakit import strict
from datakit.documents.html import html_text
from datakit.errors import DatakitWarning, InputError, MissingExtraError, did_you_mean
from datakit.files import shown_path

__all__ = ["ENDINGS", "Document", "find_files", "read_documents"]

# A rule (`---`) is no front matter: that has a key at once, or nothing at all.
_FRONT = re.compile(
    r"---[ \t]*\r?\n(?=[^\n:]{1,80}:|---|\.\.\.)(?:.*?\n)??(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)",
    re.DOTALL,
)
_HALVES = re.compile("[\ud800-\udfff]")
_NAMED = 5


@dataclass(frozen=True)
class Document:
    """The text of a file.

    Args:
        file: Its path in the folder that was read, with slashes; its name if it was read alone.
        text: Of a `.txt` and a `.md` all that is in the file, of an `.html` and a `.pdf` what was
            taken out of it.
        begin: Where the content begins: after a byte order mark and front matter.
        pages: Where each page of a PDF begins in the text; empty for what has no pages.
    """

    file: str
    text: str
    begin: int = 0
    pages: tuple[int, ...] = ()

    def pages_of(self, start: int, end: int) -> list[int]:
        """Returns the first and the last page of a span, from 1; once if they are the same."""
        if not self.pages:
            return []
        first = bisect_right(self.pages, start)
        last = bisect_right(self.pages, max(start, end - 1))
        return [first] if first == last else [first, last]


def find_files(path: str) -> tuple[list[Path], list[Path]]:
    """Returns the files to read, and those that are passed over for their ending.

    A folder is searched with the folders in it, in the order of the names; what begins with a dot
    is not looked at.

    Args:
        path: A file or a folder.

    Raises:
        InputError: If it is not there, or there is nothing in it that can be read.
    """
    root = Path(path)
    if root.is_dir():
        every = [each for each in root.rglob("*") if each.is_file() and not _hidden(each, root)]
        every.sort(key=lambda each: each.relative_to(root).as_posix())
        known = [each for each in every if each.suffix.lower() in ENDINGS]
        if not known:
            raise InputError(f"{_shown(root)}: no file in this folder ends in {_listed()}.")
        return known, [each for each in every if each.suffix.lower() not in ENDINGS]
    if not root.exists():
        there = root.parent.iterdir() if root.parent.is_dir() else ()
        near = did_you_mean(root.name, [each.name for each in there])
        raise InputError(f"{_shown(root)}: there is no such file or folder{near or '.'}")
    if root.suffix.lower() not in ENDINGS:
        raise InputError(f"{_shown(root)}: a document ends in {_listed()}.")
    return [root], []


def read_documents(path: str) -> list[Document]:
    """Reads a file, or all files of a folder that are documents.

    Files of a folder that are of another kind, or hold no text, are passed over with a warning.

    Args:
        path: A file or a folder.

    Raises:
        InputError: Names every file that cannot be read.
        MissingExtraError: If there is a PDF and no `pypdf`.
    """
    files, other = find_files(path)
    root = Path(path)
    found, empty, wrong = list[Document](), list[Document](), list[str]()
    for file in files:
        name = file.relative_to(root).as_posix() if root.is_dir() else file.name
        try:
            document = ENDINGS[file.suffix.lower()](file, name)
        except MissingExtraError:
            raise
        except InputError as error:
            wrong += error.problems
            continue
        (found if document.text[document.begin :].strip() else empty).append(document)
    if wrong:
        raise InputError(wrong)
    if not found:
        raise InputError(f"{_shown(root)}: there is no text in it; a scanned PDF has none.")
    _warn(root, [each.relative_to(root).as_posix() for each in other], f"do not end in {_listed()}")
    _warn(root, [each.file for each in empty], "hold no text")
    return found


def _warn(root: Path, names: list[str], why: str) -> None:
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        listed = ", ".join(names[:_NAMED]) + more
        text = f"{_shown(root)}: passed over, as they {why}: {listed}"
        warnings.warn(text, DatakitWarning, stacklevel=3)


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def _shown(file: Path) -> str:
    return shown_path(str(file))


def _listed() -> str:
    *most, last = ENDINGS
    return f"{', '.join(most)} or {last}"


def _decoded(file: Path) -> str:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise InputError(f"{_shown(file)}: cannot be read: {error.strerror}.") from None
    return strict.decode(raw, _shown(file))


def _text(file: Path, name: str) -> Document:
    text = _decoded(file)
    return Document(name, text, int(text.startswith("\ufeff")))


def _markdown(file: Path, name: str) -> Document:
    plain = _text(file, name)
    front = _FRONT.match(plain.text, plain.begin)
    return Document(name, plain.text, front.end() if front else plain.begin)


def _html(file: Path, name: str) -> Document:
    return Document(name, html_text(_decoded(file).removeprefix("\ufeff")))


def _pdf(file: Path, name: str) -> Document:
    try:
        import pypdf
    except ImportError:
        raise MissingExtraError.of("pypdf", "documents", "Reading PDF") from None
    try:
        reader = pypdf.PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise InputError(f"{_shown(file)}: is encrypted. Save it without a password.")
        texts = list(_pages(reader))
    except InputError:
        raise
    except Exception as error:  # a broken file may break its reader in any way
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{_shown(file)}: cannot be read as a PDF: {why.rstrip('.')}.") from None
    begins, at = [], 0
    for text in texts:
        begins.append(at)
        at += len(text) + 2
    return Document(name, "\n\n".join(texts), pages=tuple(begins))


def _pages(reader: Any) -> Iterator[str]:  # noqa: ANN401  pypdf's
    for page in reader.pages:
        # Broken fonts give half characters, which have no UTF-8 form, and zeros.
        yield _HALVES.sub("\ufffd", page.extract_text()).replace("\x00", "").strip()


ENDINGS: dict[str, Callable[[Path, str], Document]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".txt": _text,
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
}
