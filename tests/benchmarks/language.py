"""Which language sentences of 22 languages are told to be in: accuracy, speed, what is confused.

    python -m tests.benchmarks.language --data ../data

`--python` may name another Python with the package `fasttext` itself in it: its answers must be
those of the default.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from datakit.language import UNKNOWN, Detector, FastText, Lingua

_SENTENCES = "lingua_testdata/sentences"
_EACH = 500
# What the package fasttext says of each line, through the same code.
_ASK = (
    "import json, sys\n"
    "from datakit.language import FastText\n"
    "model = FastText(sys.argv[1])\n"
    "print(json.dumps([model.detect(line) for line in json.load(sys.stdin)]))\n"
)


def sentences(folder: Path) -> list[tuple[str, str]]:
    """Returns pairs of a language and a sentence in it."""
    files = sorted((folder / _SENTENCES).glob("*.txt"))
    return [
        (file.stem, line)
        for file in files
        for line in file.read_text().splitlines()[:_EACH]
        if line
    ]


def report(name: str, detector: Detector, pairs: Sequence[tuple[str, str]]) -> None:
    """Prints how a detector does, and the languages that it takes for others."""
    start = time.process_time()
    found = [detector.detect(text)[0] for _, text in pairs]
    rate = len(pairs) / (time.process_time() - start)
    told = [(true, said) for (true, _), said in zip(pairs, found, strict=True) if said != UNKNOWN]
    right = sum(true == said for true, said in told) / len(told)
    print(
        f"\n{name}: {right:.2%} of {len(told):,} right, {1 - len(told) / len(pairs):.2%} too short"
    )
    print(f"{rate:,.0f} sentences a second and core\n")
    print("| language | right | taken for |\n| --- | --- | --- |")
    for language in sorted({true for true, _ in told}):
        said = Counter(each for true, each in told if true == language)
        wrong = ", ".join(f"{each} {n}" for each, n in said.most_common(4) if each != language)
        print(f"| {language} | {said[language] / said.total():.1%} | {wrong} |")


def compared(python: str, model: FastText, pairs: Sequence[tuple[str, str]]) -> str:
    """Returns how many answers of the package fasttext are those of the default."""
    texts = [text for _, text in pairs]
    done = subprocess.run(
        [python, "-c", _ASK, model.path],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    theirs = json.loads(done.stdout)
    ours = [model.detect(text) for text in texts]
    same = sum(a[0] == b[0] and abs(a[1] - b[1]) < 1e-6 for a, b in zip(ours, theirs, strict=True))
    return f"{same:,} of {len(texts):,} answers are the same"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with public data")
    parser.add_argument("--python", help="a Python with the package fasttext")
    given = parser.parse_args()
    pairs = sentences(given.data)
    languages = tuple(sorted({language for language, _ in pairs}))
    print(f"{len(pairs):,} sentences of {len(languages)} languages")
    model = FastText()
    if given.python:
        print(f"the package fasttext: {compared(given.python, model, pairs)}")
    report("lid.176", model, pairs)
    report("lingua", Lingua(languages), pairs)


if __name__ == "__main__":
    main()
