"""The judge of `datakit eval` as options."""

from __future__ import annotations

import argparse

from datakit.cli.judging import add_asking
from datakit.config import teacher_of
from datakit.errors import InputError
from datakit.fields import FilePath
from datakit.judge import FORMS, Asking
from datakit.judge.asking import Form
from trainers.evaluate.judging import LOG, Judge

__all__ = ["add_judge", "judge_of"]


def add_judge(parser: argparse.ArgumentParser) -> None:
    """Adds who finishes judged tasks, and what their answers are compared with."""
    group = parser.add_argument_group("judged tasks (pairwise, mt-bench-lite)")
    group.add_argument(
        "--against", metavar="MODEL", help="compare with this model's answers (the file's outputs)"
    )
    add_asking(group, "--judge", prefix="judge-")
    group.add_argument(
        "--calibration",
        action="append",
        default=[],
        metavar="FILE",
        help="what `datakit judge check` wrote of this judge; without it there is no verdict. One "
        "for each form (pair, grade)",
    )
    group.add_argument(
        "--judge-prompt",
        action="append",
        default=[],
        metavar="FORM=FILE",
        help="another text, as `datakit judge check --form FORM --prompt FILE` took it",
    )
    group.add_argument(
        "--judge-log", default=LOG, metavar="FILE", help=f"where its answers are kept ({LOG})"
    )


def judge_of(args: argparse.Namespace) -> Judge | None:
    """Returns the judge that the options name; None if none is named.

    Raises:
        InputError: If the judge cannot be read, or options go without one.
    """
    if args.judge is None:
        given = {
            "--calibration": args.calibration,
            "--budget": args.budget is not None,
            "--judge-prompt": args.judge_prompt,
        }
        if alone := [name for name, there in given.items() if there]:
            text = "belongs to a judge; name one: --judge PROVIDER:MODEL."
            raise InputError([f"{name}: {text}" for name in alone])
        return None
    prompts = _prompts(args.judge_prompt)
    pair, grade = (
        Asking(form, prompts.get(form), args.temperature, args.max_tokens, not args.no_json_schema)
        for form in FORMS
    )
    return Judge(
        teacher_of(args.judge, name="--judge"),
        args.calibration,
        args.budget,
        args.judge_log,
        pair,
        grade,
    )


def _prompts(texts: list[str]) -> dict[Form, FilePath]:
    found: dict[Form, FilePath] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        form = next((each for each in FORMS if each == name), None)
        if form is None or not equals or not path:
            raise InputError(f"--judge-prompt {text}: write pair=FILE or grade=FILE.")
        found[form] = FilePath(path)
    return found
