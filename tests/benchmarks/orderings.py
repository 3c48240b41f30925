"""Does the lift lab find published orderings of public datasets? Prints Markdown.

    python -m tests.benchmarks.orderings domain --data FOLDER
    python -m tests.benchmarks.orderings chosen --data FOLDER --report reports/lift_chosen.md
    python -m tests.benchmarks.orderings chosen --short --data FOLDER

The folder has these files, from the repositories named:

- gsm8k/train.jsonl, gsm8k/test.jsonl: openai/grade-school-math
- alpaca/alpagasus_random_9k.json, alpaca/alpagasus_claude_t45.json: gpt4life/alpagasus
- alpaca/longest_1k.json: tml-epfl/long-is-more-for-alignment
- alpaca_eval/Meta-Llama-3-8B-Instruct_outputs.json, alpaca_eval/text_davinci_003_outputs.json:
  tatsu-lab/alpaca_eval

The published orderings of `chosen` are of models of 7B and more, trained on all the records and
judged by a stronger model; here a small one has a few dozen of them, and what is measured is the
loss of answers that others gave. That an ordering does not come out here does not refute it.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datakit.amounts import duration
from datakit.errors import DatakitError
from datakit.record import Record
from trainers.data import open_data
from trainers.gguf import cache_folder
from trainers.lift.controls import duplicated, shuffled, thinned
from trainers.lift.kept import Kept
from trainers.lift.lifting import lift
from trainers.lift.result import Lift
from trainers.lift.variants import Variant
from trainers.running.ear import Ear
from trainers.running.run import hardware, packages
from trainers.sft import SFT

QA = {"instruction": "question", "output": "answer"}
# The form in which the longest records of Alpaca were published.
FORM = re.compile(
    r"Below is an instruction.*?### Instruction:\s*(?P<instruction>.*?)\s*"
    r"(?:### Input:\s*(?P<input>.*?)\s*)?\Z",
    re.DOTALL,
)


@dataclass(frozen=True)
class Ordering:
    """What was published: one variant makes a better model than another."""

    better: str
    worse: str
    source: str


@dataclass(frozen=True)
class Case:
    """Variants, the baseline first; test records; and what was published of them."""

    title: str
    variants: tuple[Variant, ...]
    test: tuple[Record, ...]
    orderings: tuple[Ordering, ...]


def domain(args: argparse.Namespace) -> Case:
    """Records of the task's own domain, against general ones and against what is wrong in them."""
    train = tuple(open_data(str(args.data / "gsm8k/train.jsonl"), fields=QA))
    general = open_data(str(args.data / "alpaca/alpagasus_random_9k.json"))
    gsm8k = Variant("gsm8k", train)
    few = thinned(gsm8k, 64, args.seed)
    variants = (
        Variant("alpaca", tuple(general)),
        gsm8k,
        _named("noise", shuffled(gsm8k, 1.0, args.seed)),
        _named("duplicates", duplicated(few, 16, args.seed)),
    )
    repeats = "Muennighoff et al. 2023, arXiv:2305.16264: past some 4 times they are worth less"
    claims = (
        Ordering("gsm8k", "alpaca", "records like the task's; Xia et al. 2024, arXiv:2402.04333"),
        Ordering("gsm8k", "noise", "a control: each question has another one's answer"),
        Ordering("gsm8k", "duplicates", f"4 records again and again; {repeats}"),
    )
    test = tuple(open_data(str(args.data / "gsm8k/test.jsonl"), fields=QA))
    return Case("Domain, noise and duplicates: GSM8K", variants, test, claims)


def chosen(args: argparse.Namespace) -> Case:
    """Records chosen by a score or by their length, against random ones of the same set."""
    alpaca = args.data / "alpaca"
    random = Variant("random 9k", tuple(open_data(str(alpaca / "alpagasus_random_9k.json"))))
    scored = Variant("AlpaGasus", tuple(open_data(str(alpaca / "alpagasus_claude_t45.json"))))
    longest = tuple(_plain(each) for each in open_data(str(alpaca / "longest_1k.json")))
    variants = (
        random,
        scored,
        Variant("longest 1k", longest),
        _named("random 1k", thinned(random, len(longest), args.seed)),
    )
    claims = (
        Ordering("AlpaGasus", "random 9k", "Chen et al. 2023, arXiv:2307.08701"),
        Ordering("longest 1k", "random 1k", "Zhao et al. 2024, arXiv:2402.04833"),
    )
    name = "text_davinci_003" if args.short else "Meta-Llama-3-8B-Instruct"
    test = tuple(open_data(str(args.data / f"alpaca_eval/{name}_outputs.json")))
    return Case(f"Chosen records of Alpaca, by the answers of {name}", variants, test, claims)


CASES = {"domain": domain, "chosen": chosen}


def _named(name: str, variant: Variant) -> Variant:
    return Variant(name, variant.records, variant.control)


def _plain(record: Record) -> Record:
    """Takes the form off a prompt.

    Raises:
        ValueError: If it is not in the form that was published.
    """
    if (match := FORM.match(record.instruction)) is None:
        raise ValueError(f"{record.id}: not in the form of the longest records")
    made = Record(match["instruction"], match["input"] or "", record.output)
    return made.replace(id=record.id)


def _fitting(variant: Variant, characters: int) -> Variant:
    """Leaves out records that a trial would have to cut."""
    kept = [each for each in variant.records if _size(each) <= characters]
    return Variant(variant.name, tuple(kept), variant.control)


def _size(record: Record) -> int:
    return len(record.prompt) + len(record.output)


def studied(case: Case, args: argparse.Namespace) -> Lift:
    """Trains on each variant with equal tokens, and compares all of them."""
    fitting = [each for each in case.test if _size(each) <= args.test_characters]
    items = thinned(Variant("test", tuple(fitting)), args.items, args.seed).records
    path: Path = args.folder / f"{args.case}-{'short' if args.short else 'items'}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(each.to_line() for each in items))
    baseline, *others = (_fitting(each, args.characters) for each in case.variants)
    return lift(
        others,
        baseline=baseline,
        match="tokens",
        tokens=args.tokens,
        task=f"perplexity:{path}",
        model=args.model,
        seeds=args.replicates,
        settings=SFT(batch=4, learning_rate=args.rate, max_length=1024, unusable="drop"),
        general=False,
        workers=args.workers,
        seed=args.seed,
        kept=Kept(args.folder / "trials"),
        ear=Ear(_tell, lambda text, last: _tell(text)),
    )


def lines(case: Case, found: Lift, args: argparse.Namespace) -> Iterator[str]:
    """Yields the report."""
    words = shlex.join(Path(word).name if "/" in word else word for word in args.words)
    machine = {k: v for k, v in hardware().items() if k in ("machine", "cpus", "threads", "gpus")}
    yield from (f"# {case.title}", "", f"    python -m tests.benchmarks.orderings {words}", "")
    yield f"Machine: {json.dumps(machine)}. Packages: {json.dumps(packages())}."
    yield ""
    spent = duration(sum(each.seconds for each in found.trials))
    yield (
        f"Model {Path(args.model).name}, learning rate {args.rate:g}; "
        f"{found.study['budget']['text']}; {len(found.trials)} trials, {spent} in all. Scores are "
        "nats per token of the test answers, lower is better; intervals hold together at 95 %."
    )
    yield from ("", "| variant | records | mean nll |", "| --- | --- | --- |")
    yield f"| untrained | | {found.untrained_score:.3f} |"
    sizes = {each.name: len(_fitting(each, args.characters)) for each in case.variants}
    for name, value in found.comparison.means.items():
        yield f"| {name} | {sizes[name]:,} | {value:.3f} |"
    yield from ("", "| published | here | |", "| --- | --- | --- |")
    for each in case.orderings:
        here, said = held(found, each)
        yield f"| {each.better} over {each.worse}: {each.source} | {here} | {said} |"
    yield ""
    yield from (f"- {each}" for each in found.verdicts)
    yield from (
        "",
        *(f"Guard: {each.text}" for each in found.guards if each.level in ("stop", "warn")),
    )


def held(found: Lift, claim: Ordering) -> tuple[str, str]:
    """Returns the difference that was published, as it is here, and whether it came out."""
    it = found.comparison.difference(claim.better, claim.worse)
    here = f"{found.unit.signed(it.value)} {found.unit.ends(it)}"
    if not it.clear:
        most = max(abs(it.low or 0), abs(it.high or 0))
        return here, f"cannot be told apart; over {found.unit.amount(most)} is ruled out"
    return here, "came out" if it.value < 0 else "the other way round"


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--short", action="store_true", help="chosen: by shorter, older answers")
    parser.add_argument("--report", type=Path, metavar="FILE")
    parser.add_argument("--tokens", type=int, default=5000, help="of a trial")
    parser.add_argument("--items", type=int, default=32)
    parser.add_argument("--replicates", type=int, default=5)
    parser.add_argument("--characters", type=int, default=3000, help="the longest record")
    parser.add_argument("--test-characters", type=int, default=1500, help="the longest item")
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--folder", type=Path, help="where finished trials are")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Does a case; prints the report, and writes it where --report says."""
    args = _parser().parse_args(argv)
    args.words = list(sys.argv[1:] if argv is None else argv)
    args.folder = args.folder or cache_folder() / "orderings"
    try:
        case = CASES[args.case](args)
        text = "\n".join(lines(case, studied(case, args), args)) + "\n"
    except DatakitError as error:
        _tell(f"error: {error}")
        return 2
    sys.stdout.write(text)
    if args.report:
        args.report.parent.mkdir(parents=True, exist_ok=True)
        args.report.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
