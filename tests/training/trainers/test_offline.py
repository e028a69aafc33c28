"""OREO, mDPO, mIPO and BFPO on a tiny language model: each moves what it says it moves."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from peft import PeftModel
from safetensors.torch import load_file
from small_rows import sft
from transformers import AutoModelForCausalLM

import cogitate as cg
from cogitate.errors import ConfigError
from cogitate.graphs import Source
from cogitate.inference import HF, Message, Request, Scripted
from cogitate.inference.hf.encode import Encoder
from cogitate.training import Checkpoint, Optimisation, SFTSettings, train_sft
from cogitate.training.rows import PreferenceRow, RankedRow, Reply, Step, StepRow
from cogitate.training.trainers.bfpo import BFPOSettings, SafetyPair, train_bfpo
from cogitate.training.trainers.oreo import OREOSettings, OREOTrained, train_oreo
from cogitate.training.trainers.preference_groups import (
    PreferenceGroupSettings,
    train_preference_groups,
)

QUESTION = Message("user", "6*7?")
ASKED = {
    "problem": "p",
    "question": QUESTION.content,
    "role": "generator",
    "agent": "generator",
    "operation": "generate",
    "messages": (QUESTION,),
}


def reply(name: str, ids: tuple[int, ...], value: float, revision: str) -> Reply:
    return Reply(
        thought=name,
        completion=name,
        completion_ids=ids,
        source=Source("hf/tiny", revision),
        value=value,
    )


@pytest.fixture(scope="module")
def revision(tiny_llama: Path) -> str:
    return HF(tiny_llama).info.revision


GOOD, BAD, WORSE = (60, 61, 62), (70, 71), (80, 81, 82)


def log_prob(base: Path, adapter: Path | None, ids: tuple[int, ...]) -> float:
    model = AutoModelForCausalLM.from_pretrained(base)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter))
    prompt = Encoder(base).prompt((QUESTION,), None).ids
    with torch.no_grad():
        logits_TV = model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
    return float(logits_TV.log_softmax(-1).gather(1, torch.tensor(ids).unsqueeze(1)).sum())


def gain(base: Path, adapter: Path, ids: tuple[int, ...]) -> float:
    """The log-ratio to the model before training."""
    return log_prob(base, adapter, ids) - log_prob(base, None, ids)


def ranked(revision: str) -> RankedRow:
    replies = (
        reply("a", GOOD, 1.0, revision),
        reply("b", GOOD[:2], 0.9, revision),
        reply("c", BAD, 0.5, revision),
        reply("d", WORSE, 0.0, revision),
    )
    return RankedRow.model_validate(
        ASKED | {"parents": ("p",), "replies": replies, "ranks": (1, 2, 3, 3)}
    )


@pytest.mark.parametrize("loss", ["mdpo", "mipo"])
def test_the_chosen_group_gains_on_the_rejected_one(
    loss: str, tiny_llama: Path, revision: str, tmp_path: Path
) -> None:
    settings = PreferenceGroupSettings.model_validate(
        {"loss": loss, "rank": 4, "learning_rate": 1e-2, "epochs": 12, "beta": 0.5}
    )
    one_side = ranked(revision)
    one_side = one_side.model_copy(update={"replies": one_side.replies[:2], "ranks": (1, 2)})
    done = train_preference_groups(
        [ranked(revision), one_side], str(tiny_llama), tmp_path / "out", settings
    )
    # Before training h is 0: -log sigmoid(0), and (0 - 1)^2.
    assert done.losses[0] == pytest.approx({"mdpo": 0.6931, "mipo": 1.0}[loss], abs=1e-3)
    assert done.losses[-1] < 0.5 * done.losses[0]
    assert (done.units, done.left_out) == (1, {"one side": 1, "too long": 0})
    margin = sum(gain(tiny_llama, done.folder, ids) for ids in (GOOD, GOOD[:2])) / 2
    margin -= sum(gain(tiny_llama, done.folder, ids) for ids in (BAD, WORSE)) / 2
    assert margin > 0.5
    assert Checkpoint.load(done.folder).method == loss


def pair(revision: str) -> PreferenceRow:
    return PreferenceRow.model_validate(
        ASKED
        | {
            "parents": ("p",),
            "chosen": reply("a", GOOD, 1.0, revision),
            "rejected": reply("b", BAD, 0.0, revision),
        }
    )


@pytest.mark.parametrize(("safe", "target"), [((True, False), 2.0), ((False, True), -2.0)])
def test_what_is_safe_is_preferred_even_to_what_helps(
    safe: tuple[bool, bool], target: float, tiny_llama: Path, revision: str, tmp_path: Path
) -> None:
    settings = BFPOSettings(rank=4, learning_rate=1e-2, epochs=25, beta=0.5)
    done = train_bfpo(
        [SafetyPair(pair(revision), *safe)], str(tiny_llama), tmp_path / "out", settings
    )
    assert done.losses[0] == pytest.approx(target**2, abs=1e-3)
    difference = gain(tiny_llama, done.folder, GOOD) - gain(tiny_llama, done.folder, BAD)
    assert difference == pytest.approx(target, abs=0.3)


@pytest.mark.parametrize("how", ["trained before", "launched"])
def test_policy_and_reference_are_computed_alike_whatever_bfloat16_was_asked_for(
    how: str, tiny_llama: Path, revision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "launched":
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    else:
        settings = SFTSettings(optimisation=Optimisation(max_steps=1, precision="bfloat16"))
        train_sft([sft()], str(tiny_llama), tmp_path / "sft", settings)
    done = train_bfpo(
        [SafetyPair(pair(revision), True, False)],
        str(tiny_llama),
        tmp_path / "out",
        BFPOSettings(rank=4, beta=0.5, epochs=1),
    )
    assert done.losses[0] == pytest.approx(4.0, abs=1e-6)
    assert Accelerator().mixed_precision == ("bf16" if how == "launched" else "no")
    adapter = load_file(done.folder / "adapter_model.safetensors")
    assert {one.dtype for one in adapter.values()} == {torch.float32}


def test_ids_of_other_weights_are_refused(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no token ids of this model"):
        train_bfpo([SafetyPair(pair("other"), True, True)], str(tiny_llama), tmp_path / "out")


def solutions(encoder: Encoder) -> list[StepRow]:
    """One beginning leads to 1 and the other to 0, whatever comes after."""

    def row(first: str, grade: float | None) -> StepRow:
        steps = tuple(
            Step(thought=f"{first}{i}", text=text, ids=tuple(encoder.text(text)), label=None)
            for i, text in enumerate((f"{first}.\n\n", "So.\n\n"))
        )
        return StepRow.model_validate(ASKED | {"steps": steps, "grade": grade})

    return [row("Yes", 1.0), row("No", 0.0), row("Maybe", None)]


@pytest.fixture(scope="module", params=["token", "step"])
def oreo(
    request: pytest.FixtureRequest, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OREOTrained]:
    settings = OREOSettings.model_validate(
        {
            "level": request.param,
            "rank": 8,
            "learning_rate": 1e-2,
            "epochs": 30,
            "beta": 0.1,
            "max_gradient_norm": 10.0,
        }
    )
    rows = solutions(Encoder(tiny_llama))
    yield train_oreo(rows, str(tiny_llama), tmp_path_factory.mktemp("oreo"), settings)


def test_oreo_lowers_both_losses_and_prefers_what_came_out_right(
    oreo: OREOTrained, tiny_llama: Path
) -> None:
    # Before training V = 0 and lr = 0: both losses are the mean of (0 - R)^2, so 1/2.
    assert oreo.losses[0] == pytest.approx(2 * 0.5, abs=1e-3)
    assert oreo.losses[-1] < 0.2 * oreo.losses[0]
    assert (oreo.rows, oreo.left_out) == (2, {"no grade": 1, "too long": 0})
    right, wrong = (
        gain(tiny_llama, oreo.policy, tuple(i for step in row.steps for i in step.ids or ()))
        for row in solutions(Encoder(tiny_llama))[:2]
    )
    assert right > wrong + 1  # 1 / beta more where the losses are 0
    assert {Checkpoint.load(p).method for p in (oreo.policy, oreo.value)} == {
        "oreo-policy",
        "oreo-value",
    }


def test_its_value_model_rates_steps_as_an_engine(oreo: OREOTrained) -> None:
    async def rate(first: str) -> tuple[float, ...]:
        engine = HF(oreo.value)
        try:
            assert engine.info.rates == "process"
            steps = [f"{first}.\n\n", "So.\n\n"]
            return (await engine.rate(Request(messages=(QUESTION,)), steps)).scores
        finally:
            await engine.close()

    right, wrong = asyncio.run(rate("Yes")), asyncio.run(rate("No"))
    assert right[0] > wrong[0]
    # What is finished is worth its outcome: sigmoid(1) and sigmoid(0).
    assert (right[1], wrong[1]) == pytest.approx((0.731, 0.5), abs=0.05)


def test_beam_search_is_guided_by_it(oreo: OREOTrained) -> None:
    def write(request: Request) -> str:
        if request.prefix:
            return "So.\n\n" if "So" not in str(request.prefix) else "Answer: 42"
        return ["No.\n\n", "Yes.\n\n"][request.sample % 2]

    team = cg.Team(
        cg.Generator(Scripted(write)), verifier=cg.Verifier(f"hf/{oreo.value}", method="reward")
    )
    result = cg.solve(QUESTION.content, team, cg.BeamSearch(beams=1, expand=2, depth=2))
    assert not result.errors and result.thought is not None
    assert result.thought.text.startswith("Yes.")


def test_steps_without_ids_are_refused(tiny_llama: Path, tmp_path: Path) -> None:
    row = solutions(Encoder(tiny_llama))[0]
    bare = row.model_copy(update={"steps": (row.steps[0].model_copy(update={"ids": None}),)})
    with pytest.raises(ConfigError, match="no token ids"):
        train_oreo([bare], str(tiny_llama), tmp_path / "out")
