"""What is learnt is decoded and compared with what should be learnt."""

import pytest

from datakit.errors import InputError
from trainers.tokens import (
    IGNORED,
    encode,
    encode_prompt,
    set_template,
    stop_ids,
    template_names,
)

USER = {"role": "user", "content": "How many boats?"}
ANSWER = {"role": "assistant", "content": "12 boats."}
SYSTEM = {"role": "system", "content": "Be short."}
MORE = (
    {"role": "user", "content": "And ferries?"},
    {"role": "assistant", "content": "3 ferries é."},
)


def learnt(tokenizer, row):
    return tokenizer.decode([each for each in row.labels if each != IGNORED])


@pytest.fixture
def tokenizer(tiny_tokenizer):
    own = tiny_tokenizer.chat_template
    yield tiny_tokenizer
    tiny_tokenizer.chat_template = own


@pytest.mark.parametrize("template", ["", "chatml", "alpaca"])
def test_the_answers_and_their_ends_are_learnt_and_nothing_else(tokenizer, template):
    set_template(tokenizer, template)
    newline = "\n" if template == "" else ""
    one = encode(tokenizer, (SYSTEM, USER, ANSWER))
    assert learnt(tokenizer, one) == f"12 boats.<|im_end|>{newline}"
    both = encode(tokenizer, (USER, ANSWER, *MORE))
    assert learnt(tokenizer, both) == f"12 boats.<|im_end|>{newline}3 ferries é.<|im_end|>{newline}"
    assert both.answer_tokens == sum(label != IGNORED for label in both.labels)
    for row in (one, both):
        learned = [(i, y) for i, y in zip(row.input_ids, row.labels, strict=True) if y != IGNORED]
        assert all(number == label for number, label in learned)


def test_a_prompt_is_the_beginning_of_the_chat(tokenizer):
    for template in ("", *template_names()):
        set_template(tokenizer, template)
        prompt = encode_prompt(tokenizer, (SYSTEM, USER))
        assert encode(tokenizer, (SYSTEM, USER, ANSWER)).input_ids[: len(prompt)] == prompt


def test_it_is_what_trl_makes_of_prompt_and_completion(tokenizer, tiny_model_dir, tmp_path):
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    rows = [{"prompt": [SYSTEM, USER], "completion": [ANSWER]}]
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(tiny_model_dir),
        args=SFTConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none"),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    theirs = trainer.train_dataset[0]
    ours = encode(tokenizer, (SYSTEM, USER, ANSWER))
    assert theirs["input_ids"] == ours.input_ids
    assert theirs["labels"] == ours.labels


def test_marks_count_where_the_template_has_them(tokenizer):
    # Renders nothing but the last answer after `Q:`, so that only marks can tell.
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'assistant' %}A:{% generation %}{{ m.content }}"
        "<|im_end|>{% endgeneration %}{% else %}Q{{ messages|length }}:{{ m.content }}"
        "{% endif %}{% endfor %}"
    )
    assert learnt(tokenizer, encode(tokenizer, (USER, ANSWER, *MORE))) == (
        "12 boats.<|im_end|>3 ferries é.<|im_end|>"
    )


def test_a_template_that_hides_the_answer_is_refused(tokenizer, tmp_path):
    file = tmp_path / "odd.jinja"
    file.write_text("{% for m in messages %}{{ messages|length }}{{ m.content }}{% endfor %}")
    with pytest.raises(InputError, match=r"no \{% generation %\} marks"):
        set_template(tokenizer, str(file))


def test_a_template_that_learns_the_question_is_refused(tokenizer, tmp_path):
    file = tmp_path / "all.jinja"
    file.write_text(
        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    )
    with pytest.raises(InputError, match="nothing of the questions"):
        set_template(tokenizer, str(file))


def test_errors_name_what_there_is(tokenizer, tmp_path):
    with pytest.raises(InputError, match='did you mean "chatml"'):
        set_template(tokenizer, "chatlm")
    with pytest.raises(InputError, match=r"absent\.jinja: cannot be read"):
        set_template(tokenizer, str(tmp_path / "absent.jinja"))
    tokenizer.chat_template = None
    with pytest.raises(InputError, match="--template chatml"):
        set_template(tokenizer, "")


def test_stops_are_those_of_tokenizer_and_model(tokenizer):
    from transformers import GenerationConfig, LlamaConfig

    assert stop_ids(tokenizer) == {tokenizer.eos_token_id}
    own = tokenizer.eos_token_id
    assert stop_ids(tokenizer, LlamaConfig(eos_token_id=[5, 6])) == {5, 6, own}
    # Gemma and others name the end of a turn only where they say how they generate.
    generation = GenerationConfig(eos_token_id=[0, 7])
    assert stop_ids(tokenizer, LlamaConfig(eos_token_id=0), generation) == {0, 7, own}
    assert stop_ids(tokenizer, None) == {own}


def test_a_token_across_the_border_is_not_learnt(tokenizer, tmp_path):
    """A template without a break before the answer lets a token reach into it."""
    file = tmp_path / "joined.jinja"
    file.write_text(
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }} the{% else %}"
        "{{ m.content }}<|im_end|>{% endif %}{% endfor %}"
    )
    tokenizer.chat_template = file.read_text()
    row = encode(
        tokenizer, ({"role": "user", "content": "at"}, {"role": "assistant", "content": "y go"})
    )
    text = learnt(tokenizer, row)
    assert "y go<|im_end|>".endswith(text) and text.endswith("<|im_end|>")


@pytest.mark.model
def test_the_embedded_model_s_own_template():
    from trainers.models import load_tokenizer, resolve

    tokenizer = load_tokenizer(resolve("embedded"))
    set_template(tokenizer, "")
    assert tokenizer.pad_token != tokenizer.eos_token
    assert learnt(tokenizer, encode(tokenizer, (USER, ANSWER, *MORE))) == (
        "12 boats.<|im_end|>\n3 ferries é.<|im_end|>\n"
    )
