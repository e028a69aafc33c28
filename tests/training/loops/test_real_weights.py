"""The loops with real training: adapters that were trained here are worn by the engine at once."""

import math
from pathlib import Path

import pytest
from learner import timeless

from cogitate.agents import Critic, Generator, Refiner, Team
from cogitate.inference import Request, Scripted
from cogitate.tasks import Problem, ProblemSet
from cogitate.training import DPOSettings, LoRA, Optimisation, SFTSettings, lineage
from cogitate.training.loops import MALT, MALTSettings, STaR, STaRSettings

FAST = Optimisation(learning_rate=1e-2, max_steps=48, batch_size=2, warmup=0)
SFT = SFTSettings(optimisation=FAST, adapter=LoRA(rank=8), max_tokens=4096)
DPO = DPOSettings(
    optimisation=Optimisation(learning_rate=1e-4, epochs=1, batch_size=4, warmup=0),
    adapter=LoRA(rank=8),
    max_tokens=4096,
)


def sevens(name: str, many: int) -> ProblemSet:
    """Problems of different texts, to all of which 7 is right."""
    return ProblemSet(
        name,
        [
            Problem(id=f"{name}{i}", prompt=f"{name} {i}?", reference="7", kind="numeric")
            for i in range(many)
        ],
    )


def pupil(folder: Path) -> Team:
    name = f"hf/{folder}"
    return Team(
        Generator(name, temperature=0, max_tokens=12, examples=0),
        Critic(name, temperature=0, max_tokens=12, examples=0),
        refiner=Refiner(name, temperature=0, max_tokens=12, examples=0),
    )


@pytest.mark.slow
def test_star_trains_an_adapter_that_is_worn_and_promoted(
    roomy_llama: Path, tmp_path: Path
) -> None:
    def run() -> STaR:
        return STaR(
            pupil(roomy_llama),
            train=sevens("train", 24),
            dev=sevens("dev", 16),
            output=tmp_path,
            first=Team(Generator(Scripted(["Answer: 7", "Answer: 8"]))),
            settings=STaRSettings(samples=2, sft=SFT),
        )

    first, second = run()
    assert (first.judged.before.correct, first.judged.after.correct) == (0, 8)
    assert first.judged.promotion.promoted
    assert first.losses[-1] < first.losses[0] / 4
    # The second iteration samples with the adapter of the first, from the engine that wears it.
    assert second.counts["kept"] == 12
    assert second.judged.before.correct == 8
    assert "1/generator" in str(lineage(tmp_path))
    assert list(run()) == [first, second]


@pytest.mark.slow
def test_malt_trains_an_adapter_for_each_role_on_one_base(
    roomy_llama: Path, tmp_path: Path
) -> None:
    def teacher(request: Request) -> str:
        last = request.sample == 2
        if request.operation == "critique":
            return f"Verdict {'yes' if last else 'no'}"
        if request.operation == "generate":
            return "Answer: 7"
        accepted = "Verdict yes" in request.messages[-1].content
        return f"Answer: {7 if accepted or request.sample == 0 else 8}"

    engine = Scripted(teacher)
    loop = MALT(
        pupil(roomy_llama),
        train=sevens("train", 12),
        dev=sevens("dev", 8),
        output=tmp_path,
        iterations=1,
        first=Team(Generator(engine), Critic(engine), refiner=Refiner(engine)),
        settings=MALTSettings(k=1, sft=SFT, dpo=DPO),
    )
    [report] = loop
    # Of each problem: one draft, three times the same; its critiques are two texts, of values 1/3
    # and 1; what was refined after the rejection is right once of three times.
    assert {name: one.rows for name, one in report.learned.items()} == {
        "sft generator": 12, "sft critic": 12, "sft refiner": 24, "dpo critic": 12,
        "dpo refiner": 12,
    }  # fmt: skip
    # The reference of each role is its own supervised adapter: DPO begins at log 2.
    for role in ("critic", "refiner"):
        assert report.learned[f"dpo {role}"].losses[0] == pytest.approx(math.log(2), abs=1e-4)
    assert (report.judged.before.correct, report.judged.after.correct) == (0, 8)
    assert report.judged.promotion.promoted
    shown = str(lineage(tmp_path))
    assert "refiner-dpo" in shown
    assert [timeless(one) for one in loop] == [timeless(report)]
