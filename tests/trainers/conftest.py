"""A tiny random Llama with a tokenizer of its own: real classes, no download, milliseconds."""

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

# Said by libraries to each other; they are no concern of these tests.
QUIET = ("ignore::FutureWarning:transformers", "ignore::FutureWarning:peft")

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LINES = [
    "The river runs past the old mill and into the harbour.",
    "How many boats are there? There are 12 boats and 3 ferries.",
    "SELECT name, price FROM goods WHERE price > 10 ORDER BY price;",
    "She said that the answer is 42, and that nothing else would do.",
    "A short answer is often better than a long one.",
]


def pytest_collection_modifyitems(items):
    """Lets the tests of this folder through the warnings of the libraries they use."""
    for item in items:
        if TESTS / "trainers" in item.path.parents:
            for each in QUIET:
                item.add_marker(pytest.mark.filterwarnings(each))


@pytest.fixture(scope="module", autouse=True)
def one_thread_at_first():
    """Does so for what a module sets up before its tests."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    if torch:
        torch.set_num_threads(1)
    yield
    if torch:
        torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def one_thread(request, one_thread_at_first):
    """Keeps tiny models to one thread: where the cores are busy, two wait for each other."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    real = any(request.node.get_closest_marker(each) for each in ("model", "slow"))
    before = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() if real else 1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_tokenizer():
    """A byte-level BPE tokenizer of some 400 tokens with a ChatML template.

    `<|im_end|>` (id 2) ends a turn and is the EOS; `<|endoftext|>` (id 0) pads.
    """
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(LINES, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
        model_max_length=512,
    )
    tokenizer.chat_template = CHATML
    return tokenizer


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory, tiny_tokenizer):
    """The folder of a random Llama (hidden 64, 2 layers, fp32) and its tokenizer."""
    torch = pytest.importorskip("torch")
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        # Wider than usual, so that different texts have clearly different likelihoods.
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=tiny_tokenizer.eos_token_id,
        pad_token_id=tiny_tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    folder = tmp_path_factory.mktemp("tiny") / "model"
    model.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_adapter_dir(tmp_path_factory, tiny_model_dir):
    """The folder of a LoRA adapter on the tiny model that clearly changes what it says."""
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    config = peft.LoraConfig(
        r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = peft.get_peft_model(model, config)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(std=0.3)
    folder = tmp_path_factory.mktemp("tiny") / "adapter"
    model.save_pretrained(folder)
    return folder
