"""The loops with real training: adapters that were trained here are worn by the engine at once."""

import math
from pathlib import Path

import pytest
from learner import timeless
from sevens import DPO, SFT, pupil, sevens, teacher

from cogitate.agents import Generator, Team
from cogitate.inference import Scripted
from cogitate.training import lineage
from cogitate.training.loops import MALT, MALTSettings, STaR, STaRSettings


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
    loop = MALT(
        pupil(roomy_llama),
        train=sevens("train", 12),
        dev=sevens("dev", 8),
        output=tmp_path,
        iterations=1,
        first=teacher(),
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
