"""The local rating page: what is rated, the log of answers, the page's server, and the result."""

from datakit.curate.answers import Answer, AnswerLog, read_answers
from datakit.curate.items import Pair, Pairs, make_pairs, read_pairs, write_pairs
from datakit.curate.rate import WinRate, win_rate
from datakit.curate.server import RatingServer
from datakit.curate.sheet import PairSheet, Sheet

__all__ = [
    "Answer",
    "AnswerLog",
    "Pair",
    "PairSheet",
    "Pairs",
    "RatingServer",
    "Sheet",
    "WinRate",
    "make_pairs",
    "read_answers",
    "read_pairs",
    "win_rate",
    "write_pairs",
]
