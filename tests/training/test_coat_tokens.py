"""A base with the tokens of meta-actions: they stay text, and their rows are trained."""

import asyncio
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cogitate.errors import ConfigError
from cogitate.graphs import Source
from cogitate.graphs.coat_text import Action, Meta, parse_coat, write_coat
from cogitate.inference import Message, Request, Sampling
from cogitate.inference.hf.encode import Encoder
from cogitate.inference.hf.engine import HF
from cogitate.training import Checkpoint, FullWeights, LoRA, Optimisation, SFTSettings
from cogitate.training.coat_tokens import add_coat_tokens, coat_token_ids, tune_format
from cogitate.training.rows import SFTRow
from cogitate.training.trainers.adapters import Adapter
from cogitate.training.trainers.weights import tables_of

CONTINUE, REFLECT, EXPLORE = Meta
ASKED = (Message("user", "2+2?"),)
CHAIN = write_coat(
    [
        Action(CONTINUE, "5\n"),
        Action(REFLECT, "no\n"),
        Action(EXPLORE, "4\nAnswer: 4"),
    ]
)


def chain(text: str = CHAIN) -> SFTRow:
    return SFTRow(
        problem="p", question="2+2?", thought="t.0", role="generator", agent="generator",
        operation="coat", messages=ASKED, completion=text, source=Source(""), grade=1.0,
    )  # fmt: skip


@pytest.fixture(scope="session")
def coat_llama(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_coat_tokens(str(tiny_llama), tmp_path_factory.mktemp("coat") / "llama")


def test_each_token_is_one_id_and_text_comes_back_from_ids(coat_llama: Path) -> None:
    encoder = Encoder(coat_llama)
    ids = encoder.text(CHAIN)
    tokens = coat_token_ids(str(coat_llama))
    assert [i for i in ids if i in tokens] == list(tokens)
    assert encoder.decode(ids) == CHAIN
    quoted = write_coat([Action(CONTINUE, "say <|reflect|>")])
    assert [i for i in encoder.text(quoted) if i in tokens] == [tokens[0]]
    assert encoder.decode(encoder.text(quoted)) == quoted


def tables(folder: Path) -> list[torch.Tensor]:
    """The weights whose rows are tokens: what is read, and the head's where it has its own."""
    return list(tables_of(AutoModelForCausalLM.from_pretrained(folder)).values())


def test_new_rows_begin_as_the_mean_of_words_that_mean_the_same(
    tiny_llama: Path, coat_llama: Path
) -> None:
    words = AutoTokenizer.from_pretrained(tiny_llama).encode("Wait, let me check")
    token = coat_token_ids(str(coat_llama))[1]
    before, after = tables(tiny_llama), tables(coat_llama)
    assert len(before) == len(after) == 2
    for old, table in zip(before, after, strict=True):
        assert (table[token] - old[words].mean(dim=0)).abs().max() < 1e-6
        assert table[: len(old)].equal(old)
        assert len(table) == len(old) + 3
    assert Checkpoint.load(coat_llama).parent == str(tiny_llama)


def test_a_base_gets_the_tokens_once_and_never_as_special_ones(
    tiny_llama: Path, coat_llama: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="already"):
        add_coat_tokens(str(coat_llama), tmp_path / "again")
    with pytest.raises(ConfigError, match="add_coat_tokens"):
        coat_token_ids(str(tiny_llama))
    special = tmp_path / "special"
    shutil.copytree(tiny_llama, special)
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.add_tokens([meta.token for meta in Meta], special_tokens=True)
    tokenizer.save_pretrained(special)
    with pytest.raises(ConfigError, match="special token"):
        coat_token_ids(str(special))


@pytest.mark.parametrize(
    ("adapter", "rate"), [(FullWeights(), 2e-3), (LoRA(rank=8), 1e-2)], ids=["full", "lora"]
)
def test_after_format_tuning_the_model_writes_chains(
    adapter: Adapter, rate: float, coat_llama: Path, tmp_path: Path
) -> None:
    how = Optimisation(learning_rate=rate, epochs=40, batch_size=4, warmup=0.1)
    trained = tune_format(
        [chain()] * 4, str(coat_llama), tmp_path / "tuned",
        SFTSettings(optimisation=how, adapter=adapter),
    )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["tuned"]
    assert Checkpoint.load(trained.folder).method == f"sft-{adapter.kind}"
    for old, table in zip(tables(coat_llama), tables(trained.folder), strict=True):
        assert all(not table[i].equal(old[i]) for i in coat_token_ids(str(coat_llama)))
    reply = asyncio.run(_said(trained.folder))
    assert [meta for meta, _ in parse_coat(reply)] == [CONTINUE, REFLECT, EXPLORE]
    assert reply == CHAIN


async def _said(folder: Path) -> str:
    engine = HF(folder)
    try:
        request = Request(messages=ASKED, sampling=Sampling(temperature=0.0, max_tokens=64))
        [completion] = await engine.complete(request)
    finally:
        await engine.close()
    return completion.text


def test_tied_embeddings_stay_tied_when_the_rows_are_trained(
    tiny_llama: Path, tmp_path: Path
) -> None:
    tied = tmp_path / "tied"
    shutil.copytree(tiny_llama, tied)
    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    model.config.tie_word_embeddings = True
    model.tie_weights()
    model.save_pretrained(tied)
    base = add_coat_tokens(str(tied), tmp_path / "base")
    how = Optimisation(learning_rate=1e-2, epochs=2, batch_size=4, warmup=0)
    tune_format([chain()] * 4, str(base), tmp_path / "tuned", SFTSettings(optimisation=how))
    [rows], [old] = tables(tmp_path / "tuned"), tables(base)  # one of each: they are tied
    tokens = list(coat_token_ids(str(base)))
    assert (rows[tokens] - old[tokens]).abs().max() > 1e-3
    assert rows[: tokens[0]].equal(old[: tokens[0]])


def test_other_adapters_cannot_tune_the_format(coat_llama: Path, tmp_path: Path) -> None:
    from cogitate.training import PromptTuning

    with pytest.raises(ConfigError, match="LoRA"):
        tune_format(
            [chain()], str(coat_llama), tmp_path / "out", SFTSettings(adapter=PromptTuning())
        )
