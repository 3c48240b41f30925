"""The dataset card: a README.md that the Hugging Face hub reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from datakit.language import UNKNOWN
from datakit.report import terms
from datakit.report.about import About, clipped, percent
from datakit.report.collect import collect
from datakit.report.facts import Facts
from datakit.report.markup import plain
from datakit.store.version import Version

__all__ = ["card", "hub_license"]

# Ids of the hub whose name is not just the SPDX id in lower case.
_HUB_NAMES = {
    "odc-by-1.0": "odc-by",
    "odbl-1.0": "odbl",
    "pddl-1.0": "pddl",
    "lgpl-2.1-only": "lgpl-2.1",
    "lgpl-3.0-only": "lgpl-3.0",
    "gpl-2.0-only": "gpl-2.0",
    "gpl-2.0-or-later": "gpl-2.0",
    "gpl-3.0-only": "gpl-3.0",
    "gpl-3.0-or-later": "gpl-3.0",
    "agpl-3.0-only": "agpl-3.0",
    "noassertion": "unknown",
    "": "unknown",
}
_HUB_TEXT = """
afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd-2-clause bsd-3-clause bsd-3-clause-clear
bsl-1.0 cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-
nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-
sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-
sharing-1.0 ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 gemma gpl-2.0 gpl-3.0
isc lgpl-2.1 lgpl-3.0 llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 mit mpl-2.0 ms-pl
ncsa odbl odc-by ofl-1.1 osl-3.0 pddl postgresql unknown unlicense wtfpl zlib
"""
_HUB = frozenset(_HUB_TEXT.split())
_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
)
_ISO = re.compile(r"[a-z]{2,3}\Z")


def card(version: Version, files: Mapping[str, str] | None = None) -> str:
    """Returns the dataset card of a version, in Markdown with its YAML front matter.

    Args:
        version: The version.
        files: The file of each split; None is all of it in `data.jsonl`.
    """
    about, facts = About(version), collect(version)
    front = yaml.safe_dump(
        _front(about, facts, files), sort_keys=False, allow_unicode=True, width=1000
    )
    sections = [_what(about, facts), _how(about), _rights(about), _load(about, files)]
    return f"---\n{front}---\n\n" + "\n\n".join(sections) + "\n"


def _front(about: About, facts: Facts, files: Mapping[str, str] | None) -> dict[str, Any]:
    front: dict[str, Any] = {"pretty_name": plain(about.name), **_license(about)}
    spoken = [
        lang
        for lang, n in sorted(facts.languages.items(), key=lambda each: (-each[1], each[0]))
        if lang != UNKNOWN and _ISO.match(lang) and n >= 0.01 * facts.languages_of
    ]
    if spoken:
        front["language"] = spoken
    front["size_categories"] = [_size(about.kept)]
    # A file that was only cleaned is not synthetic; nothing is known of who wrote it.
    if about.made:
        front["annotations_creators"] = ["machine-generated"]
    front["tags"] = ["synthetic", "datakit"] if about.made else ["datakit"]
    splits = [{"split": name, "path": path} for name, path in (files or {}).items()]
    front["configs"] = [{"config_name": "default", "data_files": splits or "data.jsonl"}]
    return front


def hub_license(spdx: str) -> str | None:
    """Returns the hub's id of a licence, or None if the hub does not know it."""
    low = spdx.strip().lower()
    name = _HUB_NAMES.get(low, low)
    return name if name in _HUB else None


def _license(about: About) -> dict[str, Any]:
    names = [name for name, _ in about.licenses]
    known = list(dict.fromkeys(hub_license(name) for name in names))
    if not names:
        return {"license": "unknown"}
    if None not in known:
        return {"license": known[0] if len(known) == 1 else known}
    # The hub has no id for one of them: `other` needs a name, and a link to where it is told.
    slug = re.sub(r"[^a-z0-9.]+", "-", names[0].lower()).strip("-.") or "see-card"
    name = clipped(slug, 60) if len(names) == 1 else "several-licenses"
    return {"license": "other", "license_name": name, "license_link": "README.md"}


def _size(records: int) -> str:
    for below, name in _SIZES:
        if records < below:
            return name
    return "1B<n<10B"


def _cell(value: object) -> str:
    """Returns a value as text that Markdown leaves alone."""
    text = " ".join(plain(clipped(value)).split())
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", text) or "-"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    cells = [[_cell(value) for value in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*lines, *cells])


def _what(about: About, facts: Facts) -> str:
    kept = facts.grown if about.made else about.kept
    share = percent(kept, about.candidates)
    return (
        f"# {_cell(about.name)} {_cell(about.version)}\n\n{_cell(about.sentence(facts.grown))} "
        f"{share} of {about.candidates:,} candidates {'made' if about.made else 'read'} were kept. "
        "`report.html` shows what is in it and what was dropped, and why."
    )


def _how(about: About) -> str:
    rows = [
        (r.step, f"{r.taken:,}", f"{r.made:,}", f"{r.kept:,}", f"{r.lost:,}") for r in about.funnel
    ]
    seeds = about.manifest.get("seeds") or {}
    start = ""
    if seeds:
        start = f"Seeds: {_cell(seeds.get('path'))}, SHA-256 `{_cell(seeds.get('sha256'))}`.\n\n"
    spent = f"Cost: {about.usd}, {about.cost.get('requests') or 0:,} requests. "
    return (
        f"## How it was made\n\n{start}"
        + _table(("step", "in", "made", "kept", "dropped"), rows)
        + f"\n\n{spent}Made on {_cell(about.day)} with random seed "
        f"{_cell(about.manifest.get('random_seed', '-'))}; "
        f"recipe hash `{_cell(about.manifest.get('recipe_hash', '-'))}`."
    )


def _rights(about: About) -> str:
    text = "## Licences and teachers\n\n"
    if about.licenses:
        rows = [(name or "NOASSERTION", f"{n:,}") for name, n in about.licenses]
        text += _table(("licence (SPDX)", "records"), rows)
    else:
        text += "No licence was recorded."
    if not about.teachers:
        return text + "\n\nNo model was asked."
    keys = ("provider", "model", "license")
    teachers = dict.fromkeys(tuple(each.get(key) for key in keys) for each in about.teachers)
    head = ("model", "terms", "training on its answers", "duties")
    return (
        f"{text}\n\n{_table(('teacher', 'model', 'licence'), teachers)}\n\n"
        f"{_table(head, terms.rows(about))}\n\n{terms.NOTE}"
    )


def _load(about: About, files: Mapping[str, str] | None) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", about.name)
    return (
        "## How to load it\n\n```python\nfrom datasets import load_dataset\n\n"
        f'dataset = load_dataset("{name}", split="train")  # the folder, or its name on the hub\n'
        f"```\n\n{_fields(f'{name}@{about.version}', files)}"
    )


def _fields(ref: str, files: Mapping[str, str] | None) -> str:
    if files:
        return f"It was written from `{ref}` by `datakit export`. Splits: {', '.join(files)}."
    return (
        "Each line of `data.jsonl` has `instruction`, `input`, `output`, `id` and `meta`. "
        f"`datakit verify {ref}` checks that no file was changed."
    )
