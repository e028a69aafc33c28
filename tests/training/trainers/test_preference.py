"""DPO, ORPO and KTO: which tokens they train, what they compare with, what they leave out."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from small_rows import FAST, kto, preference, preferences, reply, sft

from cogitate.errors import ConfigError
from cogitate.inference import HF
from cogitate.training import (
    DPOSettings,
    FullWeights,
    KTOSettings,
    LoRA,
    ORPOSettings,
    SFTSettings,
    train_dpo,
    train_kto,
    train_orpo,
    train_sft,
)
from cogitate.training.trainers.dpo import make_dpo
from cogitate.training.trainers.kto import encode_judged
from cogitate.training.trainers.orpo import _nll
from cogitate.training.trainers.pairs import Pair, Pairs, encode_pairs, familiar
from cogitate.training.trainers.perplexity import perplexities
from cogitate.training.trainers.weights import Start, load, load_policy, reference_of

THIN = LoRA(rank=4)
TUNED = SFTSettings(optimisation=FAST.model_copy(update={"epochs": 4}), adapter=THIN)


@pytest.fixture(scope="module")
def tuned(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that was fine-tuned."""
    folder = tmp_path_factory.mktemp("tuned") / "generator"
    return train_sft([sft()] * 4, str(tiny_llama), folder, TUNED).folder


@pytest.fixture(scope="module")
def whole(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model all of whose weights were fine-tuned."""
    settings = TUNED.model_copy(update={"adapter": FullWeights()})
    folder = tmp_path_factory.mktemp("whole") / "model"
    return train_sft([sft()] * 4, str(tiny_llama), folder, settings).folder


def test_sampled_ids_are_trained_as_they_are(tiny_llama: Path) -> None:
    revision = HF(tiny_llama).info.revision
    row = preference(reply("Answer: 42", (70, 71), revision), reply("No.", (72,), revision))
    found = encode_pairs(
        [row.model_copy(update={"prompt_ids": (5, 6)})], Start.at(str(tiny_llama)), max_tokens=9
    )
    assert found.pairs == [Pair([5, 6], [70, 71], [72])]
    assert found.counts["reencoded"] == 0


def test_long_pairs_and_pairs_that_say_the_same_twice_are_left_out(tiny_llama: Path) -> None:
    rows = [
        preference(reply("Answer: 42"), reply("No.")),
        preference(reply("the same"), reply("the same")),
        preference(reply("Answer: 42"), reply("long " * 99)),
    ]
    found = encode_pairs(rows, Start.at(str(tiny_llama)), max_tokens=120)
    assert len(found.pairs) == 1
    assert found.counts == {"reencoded": 6, "too_long": 1, "equal": 1}


def test_no_pairs_are_refused(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no pairs to train on"):
        train_dpo([], str(tiny_llama), tmp_path / "out")


@pytest.mark.parametrize("start", ["base", "adapter"])
def test_dpo_begins_at_its_reference(
    start: str, tiny_llama: Path, tuned: Path, tmp_path: Path
) -> None:
    # At its own reference all log-ratios are 0, so the first loss is -log sigmoid(0).
    trained = train_dpo(
        preferences(),
        str(tiny_llama),
        tmp_path / "out",
        DPOSettings(optimisation=FAST.model_copy(update={"epochs": 3}), adapter=THIN),
        start=tuned if start == "adapter" else None,
    )
    assert trained.losses[0] == pytest.approx(math.log(2), abs=1e-5)
    assert trained.losses[-1] < trained.losses[0]
    assert {path.name for path in trained.folder.iterdir()} >= {"adapter_model.safetensors"}
    assert not (trained.folder / "ref").exists()


def test_after_full_fine_tuning_the_reference_is_the_fine_tuned_model(
    whole: Path, tmp_path: Path
) -> None:
    settings = DPOSettings(optimisation=FAST, adapter=FullWeights())
    trained = train_dpo(preferences(), str(whole), tmp_path / "out", settings)
    assert trained.losses[0] == pytest.approx(math.log(2), abs=1e-5)
    assert (trained.folder / "tokenizer.json").is_file()


def test_a_model_changed_in_memory_is_its_own_reference(tiny_llama: Path, tmp_path: Path) -> None:
    # TRL alone would reload the reference from the folder that the model names: the old weights.
    start = Start.at(str(tiny_llama))
    settings = DPOSettings(optimisation=FAST, adapter=FullWeights())
    pairs = encode_pairs(preferences(), start, max_tokens=512).pairs
    model = load(start, FullWeights(), steps=1, seed=0).model
    for _stage in range(2):
        trainer = make_dpo(model, None, pairs, start, settings, tmp_path)
        trainer.train()
        first = next(entry for entry in trainer.state.log_history if "loss" in entry)
        assert first["loss"] == pytest.approx(math.log(2), abs=1e-5)


def test_a_copy_of_the_weights_does_not_follow_them(tiny_llama: Path) -> None:
    model = load(Start.at(str(tiny_llama)), FullWeights(), steps=1, seed=0).model
    before = torch.random.get_rng_state()
    copied = reference_of(model)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert copied is not None
    with torch.no_grad():
        model.get_parameter("lm_head.weight").zero_()
    assert copied.get_parameter("lm_head.weight").abs().sum() > 0


@pytest.mark.parametrize("loss", ["ipo", "robust", {"sigmoid": 0.8, "sft": 0.2}])
def test_dpo_has_other_losses(loss: object, tiny_llama: Path, tmp_path: Path) -> None:
    settings = DPOSettings.model_validate(
        {"optimisation": FAST, "adapter": THIN, "loss": loss, "label_smoothing": 0.1}
    )
    trained = train_dpo(preferences(), str(tiny_llama), tmp_path / "out", settings)
    assert math.isfinite(trained.losses[0])
    assert trained.losses[0] != pytest.approx(math.log(2), abs=1e-3) or loss == "robust"


def test_exo_without_smoothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="label_smoothing"):
        DPOSettings(loss="exo_pair")


def test_replies_above_the_quantile_of_perplexity_take_their_pair_away() -> None:
    pairs = [Pair([1], [i], [10 + i]) for i in range(5)]

    def perplexity(replies: Sequence[tuple[list[int], list[int]]]) -> list[float]:
        return [float(completion[0]) for _, completion in replies]  # 0, 10, 1, 11, ... 4, 14

    # Of ten the ceil(0.9 * 10) = 9th lowest is 13: only the pair of 14 goes.
    found = familiar(Pairs(pairs, {"equal": 0}), perplexity, quantile=0.9)
    assert found.pairs == pairs[:4]
    assert found.counts == {"equal": 0, "unfamiliar": 1}
    assert familiar(Pairs(pairs, {}), perplexity, quantile=1.0).pairs == pairs


def test_perplexity_is_that_of_the_models_own_scores(tiny_llama: Path) -> None:
    model = load_policy(Start.at(str(tiny_llama)))
    prompt, completion = [5, 6, 7], [70, 71]
    alone = perplexities(model, [(prompt, completion)])
    both = perplexities(model, [(prompt, completion), ([5], [70, 71, 72, 73, 74, 75])])
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[*prompt, *completion]])).logits[0].log_softmax(-1)
    worked = math.exp(-(logits[2, 70] + logits[3, 71]).item() / 2)
    assert alone[0] == pytest.approx(worked, rel=1e-4)
    assert both[0] == pytest.approx(worked, rel=1e-4)


def test_orpo_trains_the_reply_alone(tiny_llama: Path, tmp_path: Path) -> None:
    settings = ORPOSettings(optimisation=FAST.model_copy(update={"epochs": 3}), adapter=THIN)
    trained = train_orpo(preferences(), str(tiny_llama), tmp_path / "out", settings)
    assert trained.losses[-1] < trained.losses[0]
    # A mean log-probability of -1 over two tokens and of -4 over one: (2 + 4) / 3 tokens.
    labels = torch.tensor([[-100, 7, 8], [-100, -100, 9]])
    assert _nll(torch.tensor([-1.0, -4.0]), labels).item() == pytest.approx(2.0)


def test_the_orpo_loss_is_that_of_the_formula(tiny_llama: Path, tmp_path: Path) -> None:
    start = Start.at(str(tiny_llama))
    [pair] = encode_pairs(preferences(1), start, max_tokens=512).pairs
    replies = [(pair.prompt_ids, pair.chosen_ids), (pair.prompt_ids, pair.rejected_ids)]
    better, worse = (1 / value for value in perplexities(load_policy(start), replies))
    odds = math.log(better / (1 - better)) - math.log(worse / (1 - worse))
    worked = -math.log(better) + 0.1 * math.log(1 + math.exp(-odds))
    settings = ORPOSettings(optimisation=FAST, adapter=THIN)
    trained = train_orpo(preferences(1), str(tiny_llama), tmp_path / "out", settings)
    assert trained.losses[0] == pytest.approx(worked, rel=1e-4)


def test_kto_moves_each_reply_to_the_next_prompt_of_its_batch(tiny_llama: Path) -> None:
    rows = [kto(f"Answer: {i}", i % 2 == 0) for i in range(5)]
    settings = KTOSettings(optimisation=FAST)
    judged, counts = encode_judged(rows, Start.at(str(tiny_llama)), settings)
    own = [row.completion_ids for row in judged]
    assert [row.KL_completion_ids for row in judged] == [own[3], *own[:3], own[4]]
    assert counts == {"wanted": 3, "reencoded": 5, "too_long": 0}
    assert encode_judged(rows, Start.at(str(tiny_llama)), settings)[0] == judged


@pytest.mark.parametrize("start", ["base", "adapter"])
def test_kto_begins_at_its_reference(
    start: str, tiny_llama: Path, tuned: Path, tmp_path: Path
) -> None:
    # With policy = reference, 1 - sigmoid(0) = 0.5 for every row.
    trained = train_kto(
        [kto(f"Answer: {i}", i % 2 == 0) for i in range(4)],
        str(tiny_llama),
        tmp_path / "out",
        KTOSettings(optimisation=FAST, adapter=THIN),
        start=tuned if start == "adapter" else None,
    )
    assert trained.losses[0] == pytest.approx(0.5, abs=1e-4)


def test_kto_in_batches_of_one_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    alone = KTOSettings(optimisation=FAST.model_copy(update={"batch_size": 1}))
    with pytest.raises(ConfigError, match="batch_size"):
        train_kto([kto("a", True)], str(tiny_llama), tmp_path / "out", alone)


def test_an_adapter_of_another_kind_is_refused(
    tiny_llama: Path, tuned: Path, tmp_path: Path
) -> None:
    settings = DPOSettings(adapter=FullWeights(), optimisation=FAST)
    with pytest.raises(ConfigError, match="merge it"):
        train_dpo(preferences(), str(tiny_llama), tmp_path / "out", settings, start=tuned)
