"""Small preference data, and trainings on it that take seconds."""

from datakit.record import Record
from trainers import models
from trainers.running.launch import fit

# Of one batch an epoch; the rate is high, for a random model learns little in few steps.
FEW = {"steps": 2, "batch": 4, "max_length": 128, "learning_rate": 1e-2, "save_every": 2}


def records(count=12):
    """Returns pairs whose chosen answer is short and right."""
    return [
        Record(
            f"What is {n} plus {n}?",
            output=f"It is {2 * n}.",
            extra={"rejected": f"I do not know, it may be {3 * n}."},
            id=f"r{n}",
        )
        for n in range(count)
    ]


def trained(settings, model, out, data=None, **options):
    """Trains on eight pairs and holds out four."""
    data = data or records()
    options = {"held_out": data[8:], "device": "cpu"} | options
    return fit(settings, data[:8], model=str(model), out=out, **options)


def built(settings, model, tokenizer, rows, folder, held_out=None):
    """Builds TRL's trainer without training."""
    ref = models.resolve(str(model))
    task = "SEQ_CLS" if settings.method == "reward" else "CAUSAL_LM"
    loaded = models.load_model(ref, dtype="float32", trainable=True, task=task)
    return settings(loaded, tokenizer, rows, held_out, folder=folder, device="cpu", steps=2)


def files(folder):
    """Returns the names of what a training left, checkpoints aside."""
    return {path.name for path in folder.iterdir()} - {"checkpoints"}
