"""Reward models: what they learn, and that a verifier rates with them as they were trained."""

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from small_rows import QUESTION, kto, preference, ranked, reply, solution

import cogitate as cg
from cogitate.errors import ConfigError
from cogitate.inference import HF, Request, Scripted
from cogitate.training import (
    Checkpoint,
    FullWeights,
    LoRA,
    Optimisation,
    OutcomeModelSettings,
    ProcessModelSettings,
    RankingModelSettings,
    RewardModelSettings,
    train_outcome_model,
    train_process_model,
    train_ranking_model,
    train_reward_model,
)
from cogitate.training.trainers.outcome_model import binary_loss

FAST = Optimisation(learning_rate=1e-2, epochs=12, batch_size=4, precision="float32")
RIGHT = "Answer: 42"
WRONG = "Answer: 13"


def rate(folder: Path, steps: Sequence[str]) -> tuple[float, ...]:
    async def ask() -> tuple[float, ...]:
        engine = HF(folder)
        try:
            return (await engine.rate(Request(messages=(QUESTION,)), steps)).scores
        finally:
            await engine.close()

    return asyncio.run(ask())


def verified(folder: Path, text: str) -> float:
    """What a team's verifier says of a solution."""

    async def judge(d: cg.Deliberation) -> cg.Thought:
        draft = await d.generate()
        await d.verify(draft)
        return draft

    team = cg.Team(generator=cg.Generator(Scripted([text])), verifier=cg.Verifier(f"hf/{folder}"))
    thought = cg.solve(QUESTION.content, team, judge).thought
    assert thought is not None and thought.score is not None
    return thought.score


def test_pairs_make_an_outcome_model_that_a_verifier_rates_with(
    tiny_llama: Path, tmp_path: Path
) -> None:
    rows = [preference(reply(RIGHT, value=1.0), reply(WRONG, value=0.0))] * 4
    settings = RewardModelSettings(optimisation=FAST, adapter=LoRA(rank=4), margin=0.5)
    trained = train_reward_model(rows, str(tiny_llama), tmp_path / "judge", settings)
    assert trained.losses[-1] < 0.5 * trained.losses[0]
    assert HF(trained.folder).info.rates == "outcome"
    assert rate(trained.folder, [RIGHT])[0] > rate(trained.folder, [WRONG])[0]
    assert verified(trained.folder, RIGHT) > verified(trained.folder, WRONG)
    said = Checkpoint.load(trained.folder)
    assert (said.method, said.rows) == ("reward-model-lora", 4)


def test_rankings_make_an_outcome_model_in_their_order(tiny_llama: Path, tmp_path: Path) -> None:
    texts = [RIGHT, WRONG, "I do not know."]
    rows = [ranked(texts, [1, None, 2])] * 2 + [ranked(texts[:2], [1, 2])] * 2
    settings = RankingModelSettings(optimisation=FAST, adapter=FullWeights())
    rows.append(ranked(texts, [1, 1, 1]))
    trained = train_ranking_model(rows, str(tiny_llama), tmp_path / "judge", settings)
    assert trained.counts == {"too_long": 0, "unordered": 1, "empty": 0}
    scores = [rate(trained.folder, [text])[0] for text in texts]
    assert scores[0] > scores[2] > scores[1]


def test_grades_make_an_outcome_model(tiny_llama: Path, tmp_path: Path) -> None:
    rows = [kto(RIGHT, True), kto(WRONG, False)] * 2
    steps = [solution([("6 * 7\n\n", 1.0), (RIGHT, 1.0)], grade=1.0), solution([(WRONG, 0.0)])]
    settings = OutcomeModelSettings(optimisation=FAST, adapter=LoRA(rank=4))
    trained = train_outcome_model([*rows, *steps], str(tiny_llama), tmp_path / "judge", settings)
    assert trained.counts == {"too_long": 0, "ungraded": 1, "empty": 0, "right": 3}
    assert trained.rows == 5
    assert verified(trained.folder, RIGHT) > 0.7 > 0.3 > verified(trained.folder, WRONG)


def test_step_labels_make_a_process_model(tiny_llama: Path, tmp_path: Path) -> None:
    rows = [
        solution([("6 * 7 is 42.\n\n", 1.0), (RIGHT, 1.0)]),
        solution([("6 * 7 is 13.\n\n", 0.0), (WRONG, 0.0)]),
        solution([("Hm.\n\n", None), ("6 * 7 is 42.\n\n", 1.0)]),
        solution([("Hm.\n\n", None)]),
    ]
    settings = ProcessModelSettings(optimisation=FAST, adapter=LoRA(rank=8))
    trained = train_process_model(rows, str(tiny_llama), tmp_path / "judge", settings)
    assert trained.counts == {"too_long": 0, "unlabelled": 1, "steps": 5}
    assert HF(trained.folder).info.rates == "process"
    right = rate(trained.folder, ["6 * 7 is 42.\n\n", RIGHT])
    wrong = rate(trained.folder, ["6 * 7 is 13.\n\n", WRONG])
    assert min(right) > 0.7 > 0.3 > max(wrong)


def test_a_process_model_learns_at_the_last_token_of_each_step(
    tiny_llama: Path, tmp_path: Path
) -> None:
    # One step of gradient descent is too little to learn, so what is rated is what was trained.
    still = FAST.model_copy(update={"learning_rate": 1e-12, "max_steps": 1, "batch_size": 1})
    settings = ProcessModelSettings(optimisation=still, adapter=FullWeights())
    row = solution([("6 * 7\n\n", 0.25), (RIGHT, 1.0)])
    trained = train_process_model([row], str(tiny_llama), tmp_path / "judge", settings)
    first, second = rate(trained.folder, ["6 * 7\n\n", RIGHT])
    worked = -(0.25 * math.log(first) + 0.75 * math.log(1 - first) + math.log(second)) / 2
    assert trained.losses[0] == pytest.approx(worked, rel=1e-4)


def test_an_outcome_model_learns_at_the_last_token(tiny_llama: Path, tmp_path: Path) -> None:
    still = FAST.model_copy(update={"learning_rate": 1e-12, "max_steps": 1, "batch_size": 2})
    settings = OutcomeModelSettings(optimisation=still, adapter=FullWeights())
    rows = [kto(RIGHT, True), kto("A longer reply. " + WRONG, False)]
    trained = train_outcome_model(rows, str(tiny_llama), tmp_path / "judge", settings)
    [right], [wrong] = (
        rate(trained.folder, [text]) for text in (RIGHT, "A longer reply. " + WRONG)
    )
    worked = -(math.log(right) + math.log(1 - wrong)) / 2
    assert trained.losses[0] == pytest.approx(worked, rel=1e-4)


def test_the_binary_loss_counts_known_labels_alone() -> None:
    logits, labels = torch.tensor([[0.0, 2.0], [9.0, -1.0]]), torch.tensor([[1.0, 0.5], [-100, 0]])
    worked = (
        math.log(2)
        + (0.5 * math.log(1 + math.exp(-2)) + 0.5 * math.log(1 + math.exp(2)))
        + math.log(1 + math.exp(-1))
    )
    assert binary_loss(logits, labels, None).item() == pytest.approx(worked / 3)
    assert binary_loss(logits, labels, 6).item() == pytest.approx(worked / 6)


def test_rows_that_say_nothing_are_refused(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no rows to train on"):
        train_process_model([solution([("a", None)])], str(tiny_llama), tmp_path / "judge")
    with pytest.raises(ConfigError, match="no rankings to train on"):
        train_ranking_model([ranked(["a", "b"], [1, 1])], str(tiny_llama), tmp_path / "judge")
