"""A model that is loaded here, on a tiny random Llama: its own loss is the measure."""

import math

import pytest

from datakit.errors import DatakitWarning, InputError
from trainers.evaluate.subject import open_subject
from trainers.examples import Chat
from trainers.models import resolve

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TALK = [
    ("How many boats are there?", "There are 12 boats."),
    ("Say yes.", "Yes."),
    ("Name the price of everything in the goods table, please.", "SELECT price FROM goods;"),
    ("A long one.", "The river runs past the old mill and into the harbour. " * 6),
    ("Größe?", "Zwölf Äpfel, ja."),
]


def chat(question, answer, name="c"):
    turns = ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    return Chat(name, turns)


CHATS = [chat(*each, name=f"c{at}") for at, each in enumerate(TALK)]
PROMPTS = [each.messages[:1] for each in CHATS]


@pytest.fixture(scope="module")
def subject(tiny_model_dir):
    return open_subject(str(tiny_model_dir), dtype="float32", batch=3)


def own_loss(subject, chat):
    """The mean loss that transformers computes itself, over the answer and what ends it."""
    text = subject.tokenizer.apply_chat_template(list(chat.messages), tokenize=False)
    start = text.index("<|im_start|>assistant\n") + len("<|im_start|>assistant\n")
    before = subject.tokenizer(text[:start], add_special_tokens=False)["input_ids"]
    ids = subject.tokenizer(text, add_special_tokens=False)["input_ids"]
    labels = [-100] * len(before) + ids[len(before) :]
    with torch.no_grad():
        loss = subject.model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
    return loss.item(), len(ids) - len(before)


def test_nll_is_the_models_own_loss(subject):
    for each, scored in zip(CHATS, subject.nll(CHATS), strict=True):
        loss, tokens = own_loss(subject, each)
        assert scored.tokens == tokens
        assert scored.nll == pytest.approx(loss * tokens, rel=1e-5)
        assert scored.bytes == len(each.messages[-1]["content"].encode())
    assert subject._plain


def test_a_model_whose_head_does_more_is_asked_for_its_logits(tiny_model_dir, monkeypatch):
    subject = open_subject(str(tiny_model_dir), dtype="float32")
    forward = type(subject.model).forward

    def capped(self, *args, **kwargs):
        made = forward(self, *args, **kwargs)
        made["logits"] = torch.tanh(made["logits"] / 2) * 2
        return made

    monkeypatch.setattr(type(subject.model), "forward", capped)
    assert not subject._head_is_plain()
    subject._plain = False
    (scored,) = subject.nll(CHATS[:1])
    ids = subject.tokenizer.apply_chat_template(list(CHATS[0].messages), return_dict=False)
    with torch.no_grad():
        logits = subject.model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    wanted = -sum(
        logits[at - 1, ids[at]].item() for at in range(len(ids) - scored.tokens, len(ids))
    )
    assert scored.nll == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_batched_is_as_one_by_one(tiny_model_dir, subject, batch):
    other = open_subject(str(tiny_model_dir), dtype="float32", batch=batch)
    for a, b in zip(subject.nll(CHATS), other.nll(CHATS), strict=True):
        assert a.nll == pytest.approx(b.nll, rel=1e-5)
        assert (a.tokens, a.bytes) == (b.tokens, b.bytes)
    answers = other.generate(PROMPTS, max_new_tokens=12)
    assert answers == subject.generate(PROMPTS, max_new_tokens=12)
    assert len(set(answers)) > 2


def test_few_logits_at_a_time_are_the_same(subject, monkeypatch):
    whole = subject.nll(CHATS)
    monkeypatch.setattr("trainers.evaluate.local._LOGITS", 1200)  # three rows of 400
    assert [each.nll for each in subject.nll(CHATS)] == pytest.approx([s.nll for s in whole])


def test_generation_is_greedy_and_without_the_models_own_defaults(tiny_model_dir, subject):
    ids = subject.tokenizer.apply_chat_template(
        list(PROMPTS[0]), add_generation_prompt=True, return_dict=False
    )
    start = len(ids)
    with torch.no_grad():
        for _ in range(8):
            ids = [*ids, int(subject.model(torch.tensor([ids])).logits[0, -1].argmax())]
    assert subject.model.generation_config.do_sample is False
    wanted = subject.tokenizer.decode(ids[start:], skip_special_tokens=True)
    assert subject.generate(PROMPTS[:1], max_new_tokens=8) == [wanted]


def test_an_answer_ends_at_its_end(subject):
    stop = subject.tokenizer.eos_token_id
    ids = subject.tokenizer("A short answer", add_special_tokens=False)["input_ids"]
    assert subject._text([*ids, stop, *ids, 0, 0]) == "A short answer"
    assert subject._text([stop, 0]) == ""


def test_the_last_answer_alone(subject):
    turns = (*CHATS[0].messages, *CHATS[1].messages)
    both, last = (subject.nll([Chat("t", turns)], last=each)[0] for each in (False, True))
    assert last.bytes == len("Yes.") and both.bytes == last.bytes + len("There are 12 boats.")
    first = subject.nll(CHATS[:1])[0]
    assert both.tokens == first.tokens + last.tokens
    assert both.nll == pytest.approx(first.nll + last.nll, rel=1e-5)


def test_what_is_too_long_loses_its_beginning_and_is_told(subject):
    long = chat("Why? " * 400, "There are 12 boats.", "long")
    with pytest.warns(DatakitWarning, match="sees 512 tokens at once: of 1 chats the beginning is"):
        (scored,) = subject.nll([long])
    assert scored.tokens == subject.nll(CHATS[:1])[0].tokens and math.isfinite(scored.nll)
    with pytest.warns(DatakitWarning, match="of 1 prompts the beginning is cut"):
        assert len(subject.generate([long.messages[:1]], max_new_tokens=4)) == 1
    with pytest.raises(InputError, match=r"--max-new-tokens 512: the model sees 512 tokens"):
        subject.generate(PROMPTS, max_new_tokens=512)


def test_an_answer_that_is_cut_has_fewer_bytes(subject):
    with pytest.warns(DatakitWarning):
        (scored,) = subject.nll([chat("Why?", "ab " * 1000)])
    assert 400 < scored.tokens < 512
    assert 0 < scored.bytes < 3000


def test_an_adapter_can_be_switched_off(tiny_model_dir, tiny_adapter_dir):
    subject = open_subject(str(tiny_adapter_dir), dtype="float32")
    base = open_subject(str(tiny_model_dir), dtype="float32")
    assert subject.adapter and not base.adapter
    own = [each.nll for each in base.nll(CHATS)]
    with subject.without_adapter():
        assert [each.nll for each in subject.nll(CHATS)] == pytest.approx(own)
        assert subject.generate(PROMPTS, max_new_tokens=6) == base.generate(
            PROMPTS, max_new_tokens=6
        )
    changed = [each.nll for each in subject.nll(CHATS)]
    assert max(abs(a - b) for a, b in zip(own, changed, strict=True)) > 0.1


def test_progress_is_told(subject):
    told = []
    subject.note = told.append
    subject.nll(CHATS)
    assert told == ["3 of 5 chats scored", "5 of 5 chats scored"]


def test_wrong_batches_and_reward_models_are_refused(tiny_adapter_dir, tmp_path):
    with pytest.raises(InputError, match="--batch 0: must be a whole number of at least 1"):
        open_subject("embedded", batch=0)
    text = (tiny_adapter_dir / "adapter_config.json").read_text()
    (tmp_path / "adapter_config.json").write_text(text.replace("CAUSAL_LM", "SEQ_CLS"))
    with pytest.raises(InputError, match="is a reward model"):
        open_subject(str(tmp_path))


@pytest.mark.model
def test_the_real_model_prefers_sense():
    subject = open_subject("embedded")
    assert resolve("embedded").kind == "embedded"
    question = "What is the capital of France?"
    right, wrong = subject.nll(
        [chat(question, "The capital of France is Paris."), chat(question, "Purple trains dream.")]
    )
    assert right.nll / right.tokens < wrong.nll / wrong.tokens - 1
    (answer,) = subject.generate(
        [({"role": "user", "content": question},)],
        max_new_tokens=12,
    )
    assert "Paris" in answer
