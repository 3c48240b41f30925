"""Models as judges: two answers compared, one answer graded, and whether people agree with it.

    with Session({"provider": "openai", "model": "m"}, "judge.responses.jsonl") as session:
        session.map(pairs, lambda pair, llm: compare(llm, pair.question, pair.a, pair.b), key=...)

The form of the questions is that of Zheng et al. 2023, "Judging LLM-as-a-Judge with MT-Bench and
Chatbot Arena" (arXiv 2306.05685); the texts are ours.
"""

from datakit.judge.asking import FORMS, Asking, Question
from datakit.judge.calibration import Calibration, calibrate, calibrate_grades, read_calibration
from datakit.judge.grading import Grade, grade, rate
from datakit.judge.labels import GradedAnswer, LabelledPair, graded, labelled, question_of
from datakit.judge.pairwise import Comparison, compare
from datakit.judge.session import Session, check_judge
from datakit.judge.standing import Standing, standing

__all__ = [
    "FORMS",
    "Asking",
    "Calibration",
    "Comparison",
    "Grade",
    "GradedAnswer",
    "LabelledPair",
    "Question",
    "Session",
    "Standing",
    "calibrate",
    "calibrate_grades",
    "check_judge",
    "compare",
    "grade",
    "graded",
    "labelled",
    "question_of",
    "rate",
    "read_calibration",
    "standing",
]
