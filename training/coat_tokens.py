"""A base that has the tokens of Chain-of-Action-Thought, and learns to write them.

Satori (Shen et al. 2025, arXiv:2502.02508) tunes a model on a new format first. The three tokens of
meta-actions become tokens of the vocabulary: ordinary added ones, since special tokens are left out
of all text that an engine gives back. A new row begins as the mean of the rows of words that mean
nearly the same, not at random: what the model knows of them is where it starts from.

The rows must be trained, or the tokens never come to differ from these words; and they must stand
in the base before any adapter does, since engines mix adapters that leave the vocabulary alone. So
`tune_format` leaves a whole model behind, whether it trains all weights or LoRA and these rows.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from cogitate.errors import ConfigError
from cogitate.graphs.coat_text import Meta
from cogitate.training.rows import SFTRow
from cogitate.training.trainers.adapters import FullWeights, LoRA
from cogitate.training.trainers.fit import OnStep, Trained
from cogitate.training.trainers.merge import keep_model, merge
from cogitate.training.trainers.sft import SFTSettings, train_sft
from cogitate.training.trainers.weights import Start, tables_of, tokenizer_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["add_coat_tokens", "coat_token_ids", "tune_format"]

_WORDS = {
    Meta.CONTINUE: "Next, continue",
    Meta.REFLECT: "Wait, let me check",
    Meta.EXPLORE: "Alternatively, try another way",
}


def coat_token_ids(base: str) -> tuple[int, ...]:
    """Return the ids of the three tokens in a model's vocabulary, in the order of `Meta`.

    Raises:
        ConfigError: It does not have them, or has them as special tokens.
    """
    tokenizer = tokenizer_of(Start.at(base))
    ids = _ids(tokenizer)
    if len(ids) < len(Meta):
        raise ConfigError(f"{base} has no tokens of meta-actions: make a base with add_coat_tokens")
    return ids


def add_coat_tokens(base: str, output: Path) -> Path:
    """Save a model with three more tokens, and return its folder.

    Args:
        base: A model's name or its folder.
        output: The folder to make, replaced once it is whole.

    Raises:
        ConfigError: It has the tokens already, or cannot take them.
    """
    import torch
    from transformers import AddedToken, AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    start = Start.at(base)
    tokenizer = tokenizer_of(start)
    if _ids(tokenizer):
        raise ConfigError(f"{base} has tokens of meta-actions already: train on it as it is")
    words = [tokenizer.encode(text, add_special_tokens=False) for text in _WORDS.values()]
    tokenizer.add_tokens(
        [AddedToken(meta.token, special=False, normalized=False) for meta in _WORDS]
    )
    model = AutoModelForCausalLM.from_pretrained(start.folder, dtype="auto", use_safetensors=True)
    if model.config.get_text_config().vocab_size < len(tokenizer):  # some have rows to spare
        with torch.random.fork_rng():
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        for table_VH in tables_of(model).values():
            for token, alike in zip(_ids(tokenizer), words, strict=True):
                table_VH[token] = table_VH[alike].float().mean(dim=0).to(table_VH.dtype)
    return keep_model(model, tokenizer, output, start, method="coat-tokens")


def tune_format(
    rows: list[SFTRow],
    base: str,
    output: Path,
    settings: SFTSettings | None = None,
    *,
    on_step: OnStep | None = None,
) -> Trained:
    """Teach a model to write chains of actions.

    Args:
        rows: Chains, as `harvest(...).coat()` gives them.
        base: A base with the tokens (see `add_coat_tokens`): its name or its folder.
        output: The folder to make: a whole model, whatever was trained.
        settings: How. The rows of the tokens are trained whatever the adapter.
        on_step: For progress.

    Raises:
        ConfigError: A base without the tokens, or an adapter that cannot be merged into it.
    """
    settings = settings or SFTSettings()
    ids = coat_token_ids(base)
    match settings.adapter:
        case FullWeights():
            return train_sft(rows, base, output, settings, on_step=on_step)
        case LoRA(bits=None) as chosen:
            chosen = chosen.model_copy(
                update={"tokens": tuple(sorted({*(chosen.tokens or ()), *ids}))}
            )
        case other:
            raise ConfigError(
                f"{type(other).__name__} cannot be merged into a base whose new tokens it trained: "
                "tune the format with LoRA() or FullWeights()"
            )
    worn = output.with_name(f"{output.name}-adapter")
    trained = train_sft(
        rows, base, worn, settings.model_copy(update={"adapter": chosen}), on_step=on_step
    )
    merge(base, worn, output)
    shutil.rmtree(worn)
    return trained._replace(folder=output)


def _ids(tokenizer: "PreTrainedTokenizerBase") -> tuple[int, ...]:
    """The ids of those tokens that the vocabulary has."""
    known = {token.content: (i, token) for i, token in tokenizer.added_tokens_decoder.items()}
    found = [known[meta.token] for meta in Meta if meta.token in known]
    if special := [token.content for _, token in found if token.special]:
        raise ConfigError(
            f"{special[0]} is a special token there, which engines leave out of text: save the "
            "tokenizer with it as an ordinary added token"
        )
    return tuple(i for i, _ in found)
