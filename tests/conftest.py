"""What holds for every test: no network, and the same hypothesis examples in every CI run.

And a model made on the spot: a real Llama with random weights, small enough for any test.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"  # read once, when huggingface_hub is first imported
os.environ["TRACKIO_DIR"] = tempfile.mkdtemp(prefix="cogitate-trackio-")  # likewise, by trackio

# A loaded machine would make deadlines fail at random.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a two-layer Llama whose tokens are bytes; its context has 512 of them."""
    # Here, because most tests need no model.
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        extra_special_tokens=["<|im_start|>"],
    )
    fast.chat_template = TEMPLATE
    vocabulary = fast.get_vocab()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.2,  # wide enough that a random model has opinions
        pad_token_id=vocabulary["<|pad|>"],
        eos_token_id=vocabulary["<|im_end|>"],
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    unreadable = [i for token, i in vocabulary.items() if len(token) > 1 or not token.isascii()]
    model.lm_head.weight.detach()[unreadable] *= 0.1
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def roomy_llama(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with room for the prompts of any strategy."""
    folder = tmp_path_factory.mktemp("roomy") / "tiny-llama"
    shutil.copytree(tiny_llama, folder)
    config = json.loads((folder / "config.json").read_text())
    config["max_position_embeddings"] = 8192
    (folder / "config.json").write_text(json.dumps(config))
    return folder
