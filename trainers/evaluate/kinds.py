"""The tasks that can be named, what each measures, and what a line of its file must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["TASKS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """A task that can be named.

    Args:
        module: Where its `open_task` is.
        argument: What stands after the colon; in brackets if it may be left out.
        scores_text: Whether it needs likelihoods, which a server does not give.
        summary: One line of help.
        reads: What its file has in a line; of a task without a file, what its argument is.
        example: One such line, or such an argument.
        cost: How long it takes to open, in ranks: 0 reads a file, 1 runs queries, 2 imports torch.
        judged: Whether a judge finishes it.
        least: Fewest items.
    """

    module: str
    argument: str
    scores_text: bool
    summary: str
    reads: str
    example: str
    cost: int = 0
    judged: bool = False
    least: int = 1


_CHAT = "`instruction`, `input` (may be left out), `output`; or `messages`; or `question`, `answer`"

TASKS: Mapping[str, Kind] = {
    "perplexity": Kind(
        "perplexity",
        "FILE",
        True,
        "how likely the answers of a file are",
        _CHAT,
        '{"instruction": "Name a river of France.", "output": "The Loire."}',
    ),
    "match": Kind(
        "match",
        "FILE",
        False,
        "exact and numeric answers",
        f"{_CHAT}. What follows #### in the answer counts, else all of it",
        '{"question": "A box holds 6 eggs. How many do 3 hold?", "answer": "3 * 6 = 18\\n#### 18"}',
    ),
    "sql": Kind(
        "sql",
        "FILE",
        False,
        "queries that give the gold query's result",
        "`instruction`, `input` (CREATE and INSERT statements), `output` (the gold query)",
        '{"instruction": "Who is over 30?", "input": "CREATE TABLE p (name TEXT, age INTEGER); '
        "INSERT INTO p VALUES ('Ann', 41), ('Ben', 29);\", "
        '"output": "SELECT name FROM p WHERE age > 30"}',
        cost=1,
    ),
    "choice": Kind(
        "choice",
        "FILE",
        True,
        "multiple choice, by likelihood",
        "`question`, `choices` (two texts or more), `answer` (index from 0, letter, or the text); "
        "`id` may be left out",
        '{"question": "What is frozen water?", "choices": ["ice", "steam"], "answer": "A"}',
    ),
    "preference": Kind(
        "preference",
        "FILE",
        True,
        "pairs whose chosen answer is likelier",
        "`instruction`, `input` (may be left out), `output` (the chosen answer), `rejected`; or "
        "`prompt`, `chosen`, `rejected`",
        '{"prompt": "Say hello.", "chosen": "Hello!", "rejected": "No."}',
    ),
    "ifeval": Kind(
        "ifeval",
        "[FILE]",
        False,
        "instructions that can be checked by a program",
        "`key`, `prompt`, `instruction_id_list`, `kwargs` (one for each instruction); without a "
        "file, the published prompts from the hub",
        '{"key": 1, "prompt": "Describe a mill, without commas.", '
        '"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}',
    ),
    "lm-eval": Kind(
        "lm_eval",
        "NAME",
        False,
        "a task of the lm-evaluation-harness",
        "no file of yours: NAME, or NAME,NAME, are tasks of the harness, with its own data; "
        "NAME@FOLDER those whose YAML is in a folder",
        "lm-eval:arc_easy",
        cost=2,
    ),
    "pairwise": Kind(
        "pairwise",
        "FILE",
        False,
        "answers that a judge prefers to others",
        f"{_CHAT}. With --against MODEL the answers may be left out",
        '{"instruction": "Name a river of France.", "output": "The Loire."}',
        judged=True,
    ),
    "mt-bench-lite": Kind(
        "mt_bench_lite",
        "FILE",
        False,
        "two turns, graded by a judge; 20 questions or more",
        "`question_id`, `category`, `turns` (two texts), `reference` (two texts; may be left out)",
        '{"question_id": 111, "category": "math", "turns": ["What is 3 * 4?", '
        '"And half of that?"], "reference": ["12", "6"]}',
        judged=True,
        least=20,
    ),
}
