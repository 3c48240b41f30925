"""What training does to a small model on the CPU: SFT, QLoRA, preferences. Prints Markdown.

    python -m tests.benchmarks.training sft --train gsm8k --test gsm8k:test
    python -m tests.benchmarks.training qlora --train gsm8k --test gsm8k:test
    python -m tests.benchmarks.training preferences --pairs orca_dpo_pairs

`--train`, `--test` and `--pairs` take what `datakit train` takes; `NAME=FILE` reads a public set
from a file. Runs go to `--runs`; a run that is there already is not done again.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from datakit.record import Record
from trainers.compute import compare
from trainers.data import holdout, open_data
from trainers.dpo import DPO
from trainers.evaluate import Items, Task, parse_task
from trainers.evaluate.outcome import Outcome, outcome_of
from trainers.evaluate.run import measure
from trainers.evaluate.subject import open_subject
from trainers.kto import KTO
from trainers.lift.ended import items_from, items_to
from trainers.merging import merge
from trainers.qlora import QLoRA
from trainers.running.job import Ear
from trainers.running.launch import fit
from trainers.running.run import RUN_FILE, Run, hardware, packages
from trainers.settings import Settings
from trainers.sft import SFT
from trainers.stats import Interval, paired

EAR = Ear(
    say=lambda text: _tell(text),
    progress=lambda text, last: _tell(text) if last or text.split("/")[0].endswith("0") else None,
)


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")


def _fits(records: Iterable[Record], most: int, count: int) -> list[Record]:
    """Returns the first records whose texts have at most so many characters."""
    kept = []
    for record in records:
        rejected = str(record.extra.get("rejected", ""))
        longest = max(len(record.output), len(rejected))
        if len(record.prompt) + len(str(record.extra.get("system", ""))) + longest <= most:
            kept.append(record)
        if len(kept) == count:
            break
    return kept


def _written(records: Iterable[Record], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(record.to_line() for record in records))
    return path


def _trained(settings: Settings, data: Path, out: Path, model: str, held_out: Path | None) -> Run:
    if (out / RUN_FILE).is_file() and Run(out).done:
        return Run(out)
    resume = (out / RUN_FILE).is_file()
    held = str(held_out) if held_out else None
    return fit(settings, str(data), model=model, out=out, held_out=held, resume=resume, ear=EAR)


def _measured(model: str, tasks: Sequence[str], **options: Any) -> list[Outcome]:
    return list(measure(model, tasks, general=False, note=_tell, **options).outcomes)


def _cell(interval: Interval, figures: int = 3) -> str:
    if interval.low is None or interval.high is None:
        return f"{interval.value:.{figures}f}"
    return f"{interval.value:.{figures}f} [{interval.low:.{figures}f}, {interval.high:.{figures}f}]"


def _head(title: str, args: argparse.Namespace) -> list[str]:
    words = shlex.join(_without_folder(word) for word in sys.argv[1:])
    machine = {k: v for k, v in hardware().items() if k in ("machine", "cpus", "threads")}
    lines = [f"# {title}", "", f"    python -m tests.benchmarks.training {words}", ""]
    lines += [f"Machine: {json.dumps(machine)}. Packages: {json.dumps(packages())}.", ""]
    return lines


def _without_folder(word: str) -> str:
    """Returns an argument without folders, which are other ones on every machine."""
    name, equals, path = word.rpartition("=")
    return f"{name}{equals}{Path(path).name if '/' in path else path}"


def sft(args: argparse.Namespace) -> list[str]:
    """192 real records in the domain, and the perplexity of held-out ones."""
    train = _written(_fits(open_data(args.train), 900, 192), args.runs / "sft-train.jsonl")
    test = _written(_fits(open_data(args.test), 900, args.items), args.runs / "sft-test.jsonl")
    settings = SFT(steps=args.steps, batch=4, learning_rate=4e-4, max_length=512)
    run = _trained(settings, train, args.runs / "sft", args.model, None)
    (outcome,) = _measured(str(run.path), [f"perplexity:{test}"])
    return [
        *_head("SFT on 192 records of the domain", args),
        f"Trained on {run.facts['gate']['used']} records, {run.facts['result']['steps']} steps "
        "of 4, "
        f"{run.facts['cost']['tokens']:,} tokens, {run.facts['cost']['train_seconds']:.0f} s; "
        f"{run.facts['parameters']['trainable']:,} parameters trained "
        f"({run.facts['parameters']['share']:.2%}).",
        "",
        *_table(outcome, ("perplexity", "nll", "bits_per_byte")),
        "",
        _verdict(outcome),
    ]


def _table(outcome: Outcome, metrics: Sequence[str]) -> list[str]:
    lines = [f"| held-out, {len(outcome.items.ids)} items | base | trained | difference |"]
    lines.append("| --- | --- | --- | --- |")
    for name in metrics:
        cells = [outcome.base_scores[name], outcome.scores[name], outcome.lift.get(name)]
        shown = [_cell(each) if each else "" for each in cells]
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return lines


def _verdict(outcome: Outcome) -> str:
    before, after = outcome.base_scores["perplexity"].value, outcome.scores["perplexity"].value
    change = outcome.lift["nll"]
    sure = change.high is not None and change.high < 0
    return (
        f"Held-out perplexity falls by {100 * (1 - after / before):.1f} %; the interval of the "
        f"difference in nats {'excludes' if sure else 'does not exclude'} zero."
    )


def qlora(args: argparse.Namespace) -> list[str]:
    """A base in 4 bits, its adapter, and the merge into the unquantised base."""
    train = _written(_fits(open_data(args.train), 900, 96), args.runs / "qlora-train.jsonl")
    test = _written(_fits(open_data(args.test), 900, args.items), args.runs / "qlora-test.jsonl")
    settings = QLoRA(steps=args.steps, batch=4, learning_rate=4e-4, max_length=512)
    run = _trained(settings, train, args.runs / "qlora", args.model, None)
    task = f"perplexity:{test}"
    (quantised,) = _measured(str(run.path), [task], dtype="nf4")
    (plain,) = _measured(str(run.path), [task], dtype="bfloat16")
    merged = (
        merge(str(run.path), args.runs / "qlora-merged", say=_tell)
        if not (args.runs / "qlora-merged").exists()
        else None
    )
    (whole,) = _measured(str(args.runs / "qlora-merged"), [task], base=args.model, dtype="bfloat16")
    same = _same_answers(str(run.path), str(args.runs / "qlora-merged"), test)
    told = (
        merged.to_json()
        if merged
        else json.loads((args.runs / "qlora-merged/merge.json").read_text())
    )
    size = (run.path / "adapter_model.safetensors").stat().st_size
    lines = [
        *_head("QLoRA, and its merge", args),
        f"{run.facts['parameters']['trainable']:,} parameters trained, "
        f"adapter {size / 1e6:.1f} MB, "
        f"{run.facts['result']['steps']} steps of 4, {run.facts['cost']['train_seconds']:.0f} s.",
        "",
        f"| perplexity, {args.items} held-out items | without adapter | with adapter "
        "| difference of nll |",
        "| --- | --- | --- | --- |",
    ]
    for name, outcome in (
        ("base in NF4", quantised),
        ("base unquantised", plain),
        ("merged, reloaded (without adapter: the base)", whole),
    ):
        cells = [
            outcome.base_scores["perplexity"],
            outcome.scores["perplexity"],
            outcome.lift["nll"],
        ]
        lines.append(f"| {name} | " + " | ".join(_cell(each) for each in cells) + " |")
    return [
        *lines,
        "",
        f"Merge: {told['lost']:.2e} of what the adapter changes is lost (at most "
        f"{told['tolerance']:.0e}); logits differ by {told['max_logit_difference']:.1e} at most. "
        f"Greedy answers of the merged model equal to those of the adapter on the unquantised "
        f"base: {same[0]} of {same[1]}.",
    ]


def _same_answers(one: str, other: str, test: Path) -> tuple[int, int]:
    prompts = [
        [{"role": "user", "content": json.loads(line)["instruction"]}]
        for line in test.read_text().splitlines()[:16]
    ]
    answers = []
    for name in (one, other):
        subject = open_subject(name, dtype="float32", note=_tell)
        answers.append(subject.generate(prompts, max_new_tokens=64))
        subject.close()
    return sum(a == b for a, b in zip(*answers, strict=True)), len(prompts)


def preferences(args: argparse.Namespace) -> list[str]:
    """SFT, then DPO, IPO and KTO from it, on pairs of a public set."""
    records = list(open_data(args.pairs, want="pair"))
    rest, held = holdout(records, count=args.items, seed=0)
    # Long pairs are left out of the training alone, where they take most of the time.
    train = _written(_fits(rest, args.chars, args.train_pairs), args.runs / "pairs-train.jsonl")
    test = _written(held, args.runs / "pairs-test.jsonl")
    watched = _written(_fits(held, args.chars, 16), args.runs / "pairs-watched.jsonl")
    common = {"batch": 4, "max_length": 1024, "learning_rate": args.rate, "watch_answers": 0}
    sft = SFT(steps=args.steps, batch=4, max_length=1024)
    start = _trained(sft, train, args.runs / "pairs-sft", args.model, None)
    runs = {"SFT": start}
    for name, settings in {
        "DPO": DPO(steps=args.steps, **common),
        "IPO": DPO(steps=args.steps, loss="ipo", **common),
        "KTO": KTO(steps=args.steps, **common),
    }.items():
        out = args.runs / f"pairs-{name.lower()}"
        runs[name] = _trained(settings, train, out, str(start.path), watched)
    task = parse_task(f"preference:{test}")
    items: dict[str, Items] = {}
    for name, run in runs.items():
        items[name] = _scored(run, task)
    found = {name: outcome_of(task, each, items["SFT"]) for name, each in items.items()}
    return _preference_report(args, runs, found)


def _scored(run: Run, task: Task) -> Items:
    """Returns the scores of a run, which stand beside it from then on."""
    place = run.path.with_name(f"{run.path.name}.items.json")
    if place.is_file():
        return items_from(json.loads(place.read_text()))
    subject = open_subject(str(run.path), note=_tell)
    found = task.run(subject, _tell)
    subject.close()
    place.write_text(json.dumps(items_to(found)))
    return found


def _preference_report(
    args: argparse.Namespace, runs: dict[str, Run], found: dict[str, Outcome]
) -> list[str]:
    lines = _head("Preferences", args)
    lines.append(
        f"{runs['DPO'].facts['gate']['used']} pairs trained on, "
        f"{len(found['SFT'].items.ids)} held out. Start and "
        "reference of DPO, IPO and KTO: the SFT model."
    )
    names = list(found["SFT"].items.scores)
    lines += ["", "| held-out | " + " | ".join(found) + " |", "| --- |" + " --- |" * len(found)]
    for name in names:
        cells = [_cell(o.scores[name]) if name in o.scores else "" for o in found.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    seconds = [f"{run.facts['cost']['train_seconds']:.0f}" for run in runs.values()]
    lines.append("| seconds of training | " + " | ".join(seconds) + " |")
    lines += ["", *_rivals(found)]
    facts = runs["DPO"].facts
    costs = compare(facts["parameters"]["total"], 1_000_000)
    lines += ["", "Operations for a million tokens of prompts and answers, by formula:", ""]
    lines += ["| method | passes forward, backward | models in memory | against DPO | |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for each in costs:
        lines.append(
            f"| {each.method} | {each.forward}, {each.backward} | {each.models} | {each.ratio:.2f} "
            f"| {each.why} |"
        )
    for name, run in runs.items():
        for text in run.facts.get("watch", {}).get("warnings", []):
            lines.append(f"\n{name}, watched: {text}")
    return lines


def _rivals(found: dict[str, Outcome]) -> list[str]:
    """Returns accuracies less those of the SFT model and of the length baselines."""
    lines = [
        "Paired differences over the held-out pairs. Accuracy: which answer is more likely, which "
        "favours the shorter one; reward accuracy: which one became more likely against the "
        "reference, as DPO scores answers.",
        "",
        "| | less SFT | less shorter wins | less longer wins |",
        "| --- | --- | --- | --- |",
    ]
    for name, outcome in found.items():
        scores = outcome.items.scores
        for metric in ("accuracy", "reward_accuracy"):
            rivals = [
                found["SFT"].items.scores[metric], scores["shorter_wins"], scores["longer_wins"]
            ]  # fmt: skip
            cells = [_cell(paired(rival, scores[metric])) for rival in rivals]
            if name == "SFT":
                cells[0] = ""
            if name != "SFT" or metric == "accuracy":
                lines.append(f"| {name}, {metric} | " + " | ".join(cells) + " |")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one of the three, prints its report, and writes it where --report says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    kinds = {"sft": sft, "qlora": qlora, "preferences": preferences}
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("--train", default="gsm8k")
    parser.add_argument("--test", default="gsm8k:test")
    parser.add_argument("--pairs", default="orca_dpo_pairs")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--report", type=Path)
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--train-pairs", type=int, default=84)
    parser.add_argument("--chars", type=int, default=1800)
    parser.add_argument("--rate", type=float, default=1e-4)
    args = parser.parse_args(argv)
    text = "\n".join(kinds[args.kind](args)) + "\n"
    sys.stdout.write(text)
    if args.report:
        args.report.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
