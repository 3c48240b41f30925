"""Versions on disk: immutable, hashed, written whole or not at all."""

from datakit.store.diff import Change, Diff, diff
from datakit.store.located import located
from datakit.store.store import Store
from datakit.store.tags import Tags
from datakit.store.version import Version
from datakit.store.write import Draft

__all__ = ["Change", "Diff", "Draft", "Store", "Tags", "Version", "diff", "located"]
