"""The time that is left is that of the steps and of the evaluations."""

from types import SimpleNamespace

import pytest

pytest.importorskip("transformers")

from trainers.running import progress
from trainers.running.ear import Ear
from trainers.running.progress import Progress


class Training:
    """Ten steps of 2 s with an evaluation of 30 s before, and every so many."""

    def __init__(self, monkeypatch, every, steps=10):
        self.now, self.lines, self.every = 1000.0, [], every
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)
        self.callback = Progress(Ear(progress=lambda text, last: self.lines.append(text)))
        self.args = SimpleNamespace(
            eval_strategy="steps" if every else "no", eval_steps=every, max_steps=steps
        )
        self.state = SimpleNamespace(global_step=0, max_steps=steps, eval_steps=every)

    def call(self, event, **more):
        control = SimpleNamespace(should_log=True)
        getattr(self.callback, event)(self.args, self.state, control, **more)

    def evaluate(self):
        self.now += 30
        self.call("on_log", logs={"eval_loss": 1.0})
        self.call("on_evaluate", metrics={"eval_runtime": 30.0})

    def run(self):
        self.call("on_train_begin")
        if self.every:
            self.evaluate()
        for step in range(1, self.state.max_steps + 1):
            self.now += 2
            self.state.global_step = step
            self.call("on_step_end")
            self.call("on_log", logs={"loss": step / 10})
            if self.every and (step % self.every == 0 or step == self.state.max_steps):
                self.evaluate()
        self.call("on_log", logs={"train_runtime": 1.0})
        self.call("on_train_end")
        return self.lines


@pytest.mark.parametrize(
    ("every", "step", "left"),
    [
        (0, 4, "12 s"),
        # 12 s of steps, and one evaluation.
        (10, 4, "42 s"),
        # After step 4 (still due), after 8, and at the end.
        (4, 4, "2 min"),
        (4, 8, "64 s"),
        (10, 10, "30 s"),
    ],
)
def test_evaluations_are_in_the_time_left(every, step, left, monkeypatch):
    lines = Training(monkeypatch, every).run()
    assert f"step {step}/10   loss {step / 10:.3f}   {left} left" in lines


def test_what_is_measured_is_apart_from_what_is_trained(monkeypatch):
    training = Training(monkeypatch, 5)
    training.run()
    training.now += 100
    assert training.callback.seconds() == {"train_seconds": 20.0, "evaluate_seconds": 90.0}


def test_a_step_without_a_log_has_the_loss_of_another(monkeypatch):
    training = Training(monkeypatch, 0)
    training.call("on_train_begin")
    training.state.global_step = 1
    training.call("on_log", logs={"loss": 2.0})
    training.state.global_step = 2
    control = SimpleNamespace(should_log=False)
    training.callback.on_step_end(training.args, training.state, control)
    assert training.lines == ["step 1/10   loss 2.000", "step 2/10   loss 2.000 at step 1"]
