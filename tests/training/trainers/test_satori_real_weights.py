"""The whole of Satori with real weights: every stage is trained, judged and told."""

from pathlib import Path

import pytest

import cogitate as cg
from cogitate.inference import Request, Scripted
from cogitate.tasks import Problem, ProblemSet
from cogitate.training import (
    Checkpoint,
    CurrentWeights,
    FullWeights,
    GRPOSettings,
    LoRA,
    Optimisation,
    RewardModelSettings,
    SFTSettings,
)
from cogitate.training.coat_chains import ChainChoice
from cogitate.training.loops import Satori, SatoriSettings

THIN = LoRA(rank=8)
SETTINGS = SatoriSettings(
    agents=1,
    choice=ChainChoice(per_wording=99),
    samples=8,
    sft=SFTSettings(
        optimisation=Optimisation(learning_rate=2e-3, epochs=19, batch_size=4),
        adapter=FullWeights(),
    ),
    orm=RewardModelSettings(
        optimisation=Optimisation(learning_rate=1e-3, max_steps=4, batch_size=2), adapter=THIN
    ),
    grpo=GRPOSettings(
        optimisation=Optimisation(learning_rate=1e-3, max_steps=3, batch_size=8),
        adapter=THIN,
        group=4,
        max_tokens=96,
    ),
)


def problems(name: str, first: int, many: int) -> ProblemSet:
    """Problems with one answer."""
    return ProblemSet(
        name,
        [
            Problem(id=f"{name}{i}", prompt=f"2+2? ({i})", reference="4", kind="numeric")
            for i in range(first, first + many)
        ],
    )


def agent(request: Request) -> str:
    if request.role == "critic":
        return "It is less.\nAccept: no"
    begun = request.prefix.text if request.prefix else ""
    return "So.\nAnswer: 4" if "5" in begun else "5"


def policy(weights: CurrentWeights) -> cg.Team:
    return cg.Team.of(weights.model, adapter=weights.adapter, temperature=1.0, max_tokens=96)


@pytest.mark.slow
def test_a_base_that_knew_no_chains_writes_them_and_is_judged(
    roomy_llama: Path, tmp_path: Path
) -> None:
    loop = Satori(
        policy,
        base=str(roomy_llama),
        agents=cg.Team.of(Scripted(agent), verifier=lambda _, text: 0.4 if "4" not in text else 1),
        train=problems("train", 10, 8),
        dev=problems("dev", 50, 8),
        output=tmp_path / "run",
        synthesis=cg.ChainOfActionThought(reflections=1),
        settings=SETTINGS,
    )
    first, second = loop
    for report in (first, second):
        assert str(report).startswith(f"iteration {report.iteration}: tuned on")
        assert report.forms.formed > 0
        assert len(report.steps) == 3
        assert sum(one.wrong + one.right + one.fresh for one in report.steps) == 24
        assert report.judged.after.problems == 4
    assert first.forms.reflecting + second.forms.reflecting > 0
    names = [record.name for record in loop.course.log.records]
    once = ["sample", "orm", "reinforce", "judge"]
    assert names == ["tokens", "chains", "format", *once, "distil", "format", *once]
    assert Checkpoint.load(tmp_path / "run" / "1" / "policy").method == "grpo-lora"
    assert list(loop) == [first, second]
