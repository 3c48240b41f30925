"""diff, tag, combine, gc, push and pull: what a team does with versions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from datakit.amounts import counted
from datakit.cli.console import Console, command, one_line, visible
from datakit.cli.runs import funnel
from datakit.combining import combine as join
from datakit.errors import InputError
from datakit.record import Record
from datakit.store import Change, Diff, Store
from datakit.store import diff as compare
from datakit.store.gc import garbage, remove, size
from datakit.store.remote import pull as fetch
from datakit.store.remote import push as send
from datakit.wording import word_changes

__all__ = ["combine", "diff", "gc", "pull", "push", "tag"]

_FIELDS = ("instruction", "input", "output")
# Characters of unchanged text that stand around a change.
_AROUND = 60


def _diff_args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", help="the earlier version: sql@v1, or its folder")
    parser.add_argument("after", help="the later version; it may be of another dataset")
    parser.add_argument("--stat", action="store_true", help="only how many, by step and reason")
    parser.add_argument("-n", type=int, default=5, help="how many records of each kind to show (5)")
    parser.add_argument("--exit-code", action="store_true", help="exit 1 if they differ")


@command(_diff_args)
def diff(args: argparse.Namespace, console: Console) -> int:
    """Show what came, went and changed between two versions, and why."""
    if args.n < 0:
        raise InputError(f"-n {args.n}: must be 0 or more.")
    store = Store(args.store)
    found = compare(store.load(args.before), store.load(args.after))
    console.document(found.to_json())
    if not console.json:
        _stat(found, console)
        if not args.stat:
            _records(found, args.n, console)
    return 1 if args.exit_code and found else 0


def _stat(found: Diff, console: Console) -> None:
    title = f"{found.before.ref} .. {found.after.ref}"
    amounts = (len(found.added), len(found.removed), len(found.changed), found.same)
    words = ("added", "removed", "changed", "the same")
    told = ", ".join(f"{n:,} {word}" for n, word in zip(amounts, words, strict=True))
    console.result(f"{console.bold(one_line(title))}   {told}")
    rows = [["+", one_line(step), "", f"{count:,}"] for step, count in found.made_by.most_common()]
    for why, count in found.why.most_common():
        step, reason = why or (f"not in {found.after.ref}", "")
        rows.append(["-", step, reason, f"{count:,}"])
    if rows:
        console.result()
        console.table(["", "step", "reason", "records"], rows, "lllr")


def _records(found: Diff, limit: int, console: Console) -> None:
    console.result()
    for change in found.changes(limit):
        _changed(change, console)
    _whole("-", found.removed_records(limit), found, console)
    _whole("+", found.added_records(limit), found, console)
    hidden = [
        f"{count - limit:,} more {word}"
        for count, word in (
            (len(found.changed), "changed"),
            (len(found.removed), "removed"),
            (len(found.added), "added"),
        )
        if count > limit
    ]
    if hidden:
        console.say(f"{', '.join(hidden)}; -n shows more.")


def _changed(change: Change, console: Console) -> None:
    ids = dict.fromkeys((change.before.id, change.after.id))
    console.result(console.bold(f"~ {one_line(' -> '.join(ids))}"))
    for name in _FIELDS:
        before, after = getattr(change.before, name), getattr(change.after, name)
        if before != after:
            console.result(f"  {name:<12}{_indented(_worded(before, after))}")
    others = [
        key
        for key in _extras(change)
        if change.before.extra.get(key) != change.after.extra.get(key)
    ]
    for key in others:
        console.result(f"  {one_line(key):<12}changed")
    console.result()


def _extras(change: Change) -> Sequence[str]:
    return sorted({*change.before.extra, *change.after.extra})


def _worded(before: str, after: str) -> str:
    """Returns the changes as `git diff --word-diff` writes them, with some text around."""
    signs = {"removed": "[-{}-]", "added": "{{+{}+}}"}
    pieces = word_changes(before, after)
    parts = []
    for at, each in enumerate(pieces):
        if each.kind != "same":
            parts.append(signs[each.kind].format(visible(each.text)))
            continue
        text = visible(each.text)
        head = text[:_AROUND] if at else ""
        tail = text[-_AROUND:] if at < len(pieces) - 1 else ""
        parts.append(text if len(text) <= len(head) + len(tail) + 3 else f"{head}...{tail}")
    return "".join(parts)


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 14)


def _whole(sign: str, records: Sequence[Record], found: Diff, console: Console) -> None:
    for record in records:
        why = found.removed.get(record.id) if sign == "-" else None
        told = f"   {why[0]}: {why[1]}" if why else ""
        console.result(console.bold(f"{sign} {one_line(record.id + told)}"))
        for name in _FIELDS:
            if text := getattr(record, name):
                console.result(f"  {name:<12}{_indented(visible(text))}")
        console.result()


def _tag_args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", help="a version: sql@v3, or the tag itself to remove it")
    parser.add_argument("name", nargs="?", help="the tag; without it, those of the version")
    parser.add_argument("--move", action="store_true", help="take it from another version")
    parser.add_argument(
        "--delete", action="store_true", help="remove the tag: tag sql@best --delete"
    )


@command(_tag_args)
def tag(args: argparse.Namespace, console: Console) -> int:
    """Give a version a name, so that sql@best is that version until the tag is moved."""
    store = Store(args.store)
    version = store.load(args.ref)
    tags = store.tags(version.name)
    number = version.ref.partition("@")[2]
    if version.path.parent.resolve() != (store.root / version.name).resolve():
        raise InputError(f"{args.ref}: is not in the folder {store.root}, so it has no tags there.")
    if args.delete:
        name = args.name or args.ref.partition("@")[2]
        tags.remove(name)
        console.result(f"{version.ref} is no longer {one_line(name)}")
    elif args.name:
        tags.set(args.name, number, move=args.move)
        console.result(f"{version.name}@{args.name} is {version.ref}")
    own = [each for each, of in tags.all().items() if of == number]
    console.document({"version": version.ref, "tags": own})
    if not args.name and not args.delete:
        console.result(", ".join(own) or f"{counted(0, 'tag')}")
    return 0


def _gc_args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="one dataset (all)")
    parser.add_argument("--keep", type=int, default=1, metavar="N", help="keep the newest N (1)")


@command(_gc_args)
def gc(args: argparse.Namespace, console: Console) -> int:
    """List versions that are neither new, tagged nor a parent of such; --yes removes them."""
    if args.keep < 1:
        raise InputError(f"--keep {args.keep}: must be 1 or more.")
    store = Store(args.store)
    found = garbage(store, args.name, args.keep)
    taken = size(found)
    rows = [[each.ref, f"{len(each):,}"] for each in found]
    refs = [each.ref for each in found]
    removed = remove(store, found, args.keep) if args.yes else []
    console.document({"versions": refs, "bytes": taken, "removed": removed})
    if not found:
        console.say("There is nothing to remove.")
        return 0
    console.table(["version", "records"], rows, "lr")
    told = f"{counted(len(found), 'version')}, {taken / 2**20:,.1f} MiB"
    if args.yes:
        console.say(f"{counted(len(removed), 'version')} removed.")
    else:
        console.say(f"{told}. Nothing was removed; --yes removes them for good.")
    return 0


def _combine_args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("refs", nargs="+", metavar="ref", help="versions or files, in this order")
    parser.add_argument("-o", "--output", required=True, metavar="NAME", help="the dataset's name")


@command(_combine_args)
def combine(args: argparse.Namespace, console: Console) -> int:
    """Write several versions as one, equal records once."""
    version = join(*args.refs, name=args.output, store=args.store)
    console.document({"version": version.ref, "records": len(version)})
    funnel(console, version.manifest["funnel"])
    console.result(f"{version.ref}   {counted(len(version), 'record')}   {version.path}")
    return 0


def _push_args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", help="a version: sql@v3, sql@latest, sql@best")
    parser.add_argument("place", help="a folder, here or elsewhere: s3://bucket/datasets")


@command(_push_args)
def push(args: argparse.Namespace, console: Console) -> int:
    """Copy a version to another file system, whole or not at all; goes on where it was cut off."""
    version = Store(args.store).load(args.ref)
    where, sent = send(version, args.place)
    console.document({"version": version.ref, "at": where, "bytes": sent})
    console.result(f"{one_line(where)}   {sent / 2**20:,.1f} MiB sent")
    return 0


def _pull_args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="what push wrote: s3://bucket/datasets/sql@v3, or @latest")


@command(_pull_args)
def pull(args: argparse.Namespace, console: Console) -> int:
    """Copy a version from another file system into the store, and verify it."""
    version = fetch(args.source, Store(args.store))
    console.document({"version": version.ref, "path": str(version.path), "records": len(version)})
    console.result(f"{version.ref}   {counted(len(version), 'record')}   {version.path}")
    return 0
