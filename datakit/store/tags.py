"""Names that people give to versions: `<dataset>/tags/<tag>`, a file with the version in it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from datakit.errors import StoreError, did_you_mean

__all__ = ["Tags"]

# Lower case alone: on some file systems "Final" and "final" are one file.
_TAG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\Z")
_TAKEN = re.compile(r"(latest|v[0-9]+)\Z")
_VERSION = re.compile(r"v[1-9][0-9]*\Z")
# Windows has devices of these names in every folder.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?\Z")


class Tags:
    """The tags of a dataset.

    Args:
        folder: The dataset's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tags"
        self._name = folder.name

    def all(self) -> dict[str, str]:
        """Returns the version (`v3`) of each tag, by name."""
        if not self._folder.is_dir():
            return {}
        found = {path.name: self.get(path.name) for path in sorted(self._folder.iterdir())}
        return {tag: version for tag, version in found.items() if version}

    def get(self, tag: str) -> str | None:
        """Returns the version of a tag, or None if there is no such tag."""
        if not _TAG.match(tag):
            return None
        try:
            text = (self._folder / tag).read_text("ascii").strip()
        except (OSError, ValueError):
            return None
        return text if _VERSION.match(text) else None

    def set(self, tag: str, version: str, *, move: bool = False) -> None:
        """Names a version; the tag is there whole or not at all.

        Args:
            tag: Its name.
            version: Such as `v3`.
            move: Whether a tag that another version has is moved.

        Raises:
            StoreError: If it cannot be a tag, is another version's, or cannot be written.
        """
        check(tag)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            draft = self._folder / f".{tag}-{os.getpid()}"
            try:
                with open(draft, "w", encoding="ascii") as file:
                    file.write(f"{version}\n")
                    file.flush()
                    os.fsync(file.fileno())
                if move:
                    os.replace(draft, self._folder / tag)
                else:
                    # Unlike a rename, a link takes no name that another process has just taken.
                    os.link(draft, self._folder / tag)
            finally:
                with suppress(OSError):
                    draft.unlink()
        except FileExistsError as error:
            has = self.get(tag)
            if not self._folder.is_dir():
                raise StoreError(f"{self._folder}: cannot be written: {error.strerror}.") from None
            if has != version:
                raise StoreError(
                    f'{self._name}: the tag "{tag}" is that of {has or "no version"}; '
                    "--move gives it to another."
                ) from None
        except OSError as error:
            raise StoreError(
                f"{self._folder}: cannot be written: {error.strerror or error}."
            ) from None

    def remove(self, tag: str) -> str:
        """Removes a tag and returns the version that it was of.

        Raises:
            StoreError: If there is no such tag, or it cannot be removed.
        """
        version = self.get(tag)
        if version is None:
            near = did_you_mean(tag, self.all()) or "."
            raise StoreError(f'{self._name}: there is no tag "{tag}"{near}')
        try:
            (self._folder / tag).unlink()
        except OSError as error:
            raise StoreError(
                f"{self._folder / tag}: cannot be removed: {error.strerror}."
            ) from None
        return version


def check(tag: str) -> None:
    """Raises a StoreError if a text cannot be a tag."""
    if not _TAG.match(tag) or _DEVICES.match(tag) or tag.endswith("."):
        raise StoreError(
            f'"{tag}" cannot be a tag: take up to 64 lower-case letters, digits, "_", "." and "-".'
        )
    if _TAKEN.match(tag):
        raise StoreError(f'"{tag}" cannot be a tag: every dataset has its own {tag}.')
