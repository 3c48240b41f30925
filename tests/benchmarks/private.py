"""Keys and personal data: what is found of planted ones, and what is flagged in public data.

python -m tests.benchmarks.private --data ../data
"""

from __future__ import annotations

import argparse
import random
import string
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from datakit.private import keys_in, personal_in
from datakit.rows import read_rows

_SETS = {
    "alpaca": "alpaca/alpaca_5000.json",
    "dolly": "dolly/alpagasus_dolly_3k.json",
    "code alpaca": "codealpaca/code_alpaca_2k.json",
    "codegen": "gpteacher/codegen-instruct.json",
    "gsm8k": "gsm8k/train.jsonl",
}
_LETTERS, _HEX = string.ascii_letters + string.digits, "0123456789abcdef"
_COUNT = 200


def _of(alphabet: str, count: int, rng: random.Random) -> str:
    return "".join(rng.choices(alphabet, k=count))


def _card(rng: random.Random) -> str:
    digits = [4, *(rng.randrange(10) for _ in range(14))]
    doubled = [sum(divmod(2 * each, 10)) if at % 2 == 0 else each for at, each in enumerate(digits)]
    text = "".join(map(str, [*digits, -sum(doubled) % 10]))
    return rng.choice((text, " ".join(text[at : at + 4] for at in range(0, 16, 4))))


def _iban(rng: random.Random) -> str:
    account = _of(string.digits, 18, rng)
    return f"DE{98 - int(account + '131400') % 97:02d}{account}"


PLANTED: dict[str, Callable[[random.Random], str]] = {
    "aws_access_key": lambda rng: "AKIA" + _of(string.ascii_uppercase + "234567", 16, rng),
    "github_token": lambda rng: "ghp_" + _of(_LETTERS, 36, rng),
    "slack_token": lambda rng: f"xoxb-{rng.randrange(10**11)}-{_of(_LETTERS.lower(), 24, rng)}",
    "stripe_access_key": lambda rng: "sk_live_" + _of(_LETTERS, 24, rng),
    "anthropic_key": lambda rng: "sk-ant-api03-" + _of(_LETTERS + "-_", 90, rng) + "AA",
    "openai_key": lambda rng: "sk-proj-" + _of(_LETTERS + "-_", 60, rng) + "aA",
    "hugging_face_token": lambda rng: "hf_" + _of(_LETTERS, 34, rng),
    "email": lambda rng: f"{_of(_LETTERS.lower(), 6, rng)}.{_of(_LETTERS.lower(), 5, rng)}@mail.de",
    "phone": lambda rng: f"+49 30 {rng.randrange(10**6, 10**7)}",
    "card": _card,
    "iban": _iban,
    "ip": lambda rng: f"{rng.randrange(11, 99)}.{rng.randrange(256)}.{rng.randrange(256)}.7",
}


def planted() -> None:
    """Prints the share of planted ones that is found, whole."""
    print("| planted | found whole |\n| --- | --- |")
    for kind, make in PLANTED.items():
        rng, hits = random.Random(kind), 0
        for _ in range(_COUNT):
            one = make(rng)
            text = f'Set it so: value = "{one}", and go on.'
            hits += any(
                text[each.start : each.end].strip('"') == one
                for each in (*keys_in(text), *personal_in(text))
            )
        print(f"| {kind} | {hits / _COUNT:.1%} |")


def flagged(folder: Path) -> None:
    """Prints how many records of public sets have any, by kind."""
    print("\n| set | records | with a key | with personal data | kinds | a second |")
    print("| --- " * 6 + "|")
    for name, file in _SETS.items():
        if not (folder / file).is_file():
            continue
        rows = [
            "\n".join(value for value in row.values() if isinstance(value, str))
            for _, row in read_rows(str(folder / file))
        ]
        start = time.process_time()
        keys = [{each.kind for each in keys_in(text)} for text in rows]
        personal = [{each.kind for each in personal_in(text)} for text in rows]
        rate = len(rows) / (time.process_time() - start)
        kinds = Counter(kind for found in (*keys, *personal) for kind in found)
        told = ", ".join(f"{kind} {n}" for kind, n in kinds.most_common())
        print(
            f"| {name} | {len(rows):,} | {sum(map(bool, keys))} | {sum(map(bool, personal))} | "
            f"{told} | {rate:,.0f} |"
        )


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    planted()
    flagged(given.data)


if __name__ == "__main__":
    main()
