"""Trials of a tiny random model, milliseconds each."""

from datakit.record import Record
from trainers.evaluate import parse_tasks
from trainers.lift.bench import Work
from trainers.models import load_tokenizer, resolve
from trainers.sft import SFT
from trainers.tokens import encode

SETTINGS = SFT(batch=2, lora_r=4, lora_alpha=8, learning_rate=5e-3)


def records(count, word="boats"):
    return [
        Record(instruction=f"How many {word} are there by {n}?", output=f"There are {n} {word}.")
        for n in range(count)
    ]


def rows(model, made):
    tokenizer = load_tokenizer(resolve(str(model)))
    return tuple(
        encode(
            tokenizer,
            (
                {"role": "user", "content": each.instruction},
                {"role": "assistant", "content": each.output},
            ),
        )
        for each in made
    )


def task(folder, count=4):
    path = folder / "held_out.jsonl"
    path.write_bytes(b"".join(each.to_line() for each in records(count, "ferries")))
    return parse_tasks([f"perplexity:{path}"])


def work(model, key="a", *, count=4, steps=2, seed=0):
    return Work(key, rows(model, records(count)), steps, seed)
