"""The fixtures that all tests of the trainers share."""

import pytest

transformers = pytest.importorskip("transformers")

CHAT = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello, Zoë."}]


def test_the_tiny_folder_loads_as_any_model(tiny_model_dir):
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model_dir)
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    text = tokenizer.apply_chat_template(CHAT, tokenize=False)
    assert text == "<|im_start|>user\nHi.<|im_end|>\n<|im_start|>assistant\nHello, Zoë.<|im_end|>\n"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text and len(tokenizer) == model.config.vocab_size
    assert tokenizer.pad_token_id != tokenizer.eos_token_id == 2


def test_the_tiny_adapter_changes_the_model(tiny_model_dir, tiny_adapter_dir):
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    base = transformers.AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    ids = torch.tensor([[5, 6, 7]])
    before = base(ids).logits
    after = peft.PeftModel.from_pretrained(base, tiny_adapter_dir)(ids).logits
    assert (after - before).abs().max() > 0.1
