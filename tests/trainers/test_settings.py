import argparse
import dataclasses

import pytest

from datakit.errors import InputError
from trainers import DPO, KTO, SFT, QLoRA, Reward
from trainers.commands.flags import add_flags, settings_from

METHODS = (SFT, QLoRA, DPO, KTO, Reward)


def numbers(cls):
    """Returns the names of a method's settings that are numbers."""
    return [
        each.name
        for each in dataclasses.fields(cls)
        if isinstance(each.default, (int, float)) and not isinstance(each.default, bool)
    ]


@pytest.mark.parametrize("bad", ["inf", "-inf", "nan", "1e400", "1e308", "-1"])
@pytest.mark.parametrize("cls", METHODS, ids=lambda cls: cls.__name__)
def test_every_number_of_every_method_has_bounds(cls, bad):
    for name in numbers(cls):
        with pytest.raises(InputError, match=f"{name}: must be a"):
            cls(**{name: float(bad)})


@pytest.mark.parametrize("cls", METHODS, ids=lambda cls: cls.__name__)
def test_the_usual_values_are_within_them(cls):
    made = cls(
        learning_rate=5e-4,
        weight_decay=0.1,
        clip=0.3,
        lora_r=256,
        lora_alpha=512,
        seed=2**32 - 1,
        batch=256,
        max_length=131_072,
    )
    assert made.rate == 5e-4


def parsed(*words):
    parser = argparse.ArgumentParser()
    add_flags(parser, SFT)
    return parser.parse_args(words)


@pytest.mark.parametrize("bad", ["inf", "nan", "1e400", "-1"])
def test_an_option_is_named(bad):
    for name in ("learning-rate", "weight-decay", "clip", "lora-dropout"):
        with pytest.raises(InputError, match=f"^--{name}: must be a number"):
            settings_from(SFT, parsed(f"--{name}={bad}"))


def test_all_keys_of_a_file_are_named_at_once(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text("learning_rate: .inf\nweight_decay: 1e400\nclip: .nan\nseed: 99999999999\n")
    with pytest.raises(InputError) as caught:
        settings_from(SFT, parsed(), str(file))
    for key in ("learning_rate", "weight_decay", "clip", "seed"):
        assert any(f"s.yaml: {key}: must be a" in each for each in caught.value.problems), key
