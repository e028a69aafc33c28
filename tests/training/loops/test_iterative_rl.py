"""Iterative RL on a planted model: fresh reward models, small gains that add up, and a plateau."""

from pathlib import Path
from typing import NamedTuple

import pytest
from learner import sums, timeless
from pipeline import Pipeline, Pupil
from pydantic import JsonValue, ValidationError

from cogitate.agents import Generator, Team
from cogitate.errors import ConfigError
from cogitate.training import CurrentWeights, GRPOSettings, PrefixTuning
from cogitate.training.loops import IterativeRL, IterativeRLSettings
from cogitate.training.loops.policy_rewards import PaidByModel
from cogitate.training.rows import PreferenceRow

SETTINGS = IterativeRLSettings(samples=4)
LEARNS = {"1/policy": 2, "2/policy": 3, "3/policy": 3, "4/policy": 3}
"""A small gain, another one, and then none."""


def iterative(
    folder: Path,
    *,
    model: Pupil | None = None,
    trainers: Pipeline | None = None,
    settings: IterativeRLSettings = SETTINGS,
    iterations: int = 5,
) -> IterativeRL:
    trainers = trainers or Pipeline(LEARNS)
    return IterativeRL(
        Team(Generator((model or Pupil()).engine)),
        train=sums("train", 100, 4 * iterations),
        dev=sums("dev", 900, 16 * iterations),
        output=folder,
        iterations=iterations,
        base="hf/none",
        settings=settings,
        reward_model=trainers.reward_model,
        policy=trainers.policy,
    )


class Whole(NamedTuple):
    """A loop that nothing interrupted."""

    reports: list[dict[str, JsonValue]]
    calls: int


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    model = Pupil()
    reports = [timeless(one) for one in iterative(tmp_path_factory.mktemp("whole"), model=model)]
    return Whole(reports, model.calls)


def test_each_reward_model_is_made_anew_of_what_the_newest_policy_wrote(tmp_path: Path) -> None:
    trainers = Pipeline(LEARNS)
    reports = list(iterative(tmp_path, trainers=trainers))
    raters = [told for told in trainers.told if told.output.endswith("reward-model")]
    assert [(told.output, told.base, told.start) for told in raters[:2]] == [
        ("1/reward-model", "hf/none", None), ("2/reward-model", "hf/none", None)
    ]  # fmt: skip
    # Of four replies to each of four problems 1, 2, 3 and 3 are right.
    assert [report.sampled.right for report in reports] == [4, 8, 12, 12]
    assert [len(told.given) for told in raters] == [4 * 3, 4 * 4, 4 * 3, 4 * 3]
    for told, report in zip(raters, reports, strict=True):
        assert report.sampled.pairs == len(told.given)
        for pair in told.given:
            assert isinstance(pair, PreferenceRow)
            assert [message.content for message in pair.messages] == [pair.question]
            assert (pair.chosen.value, pair.rejected.value) == (1, 0)
    asked = [{pair.question for pair in told.given} for told in raters]
    assert not asked[0] & asked[1]


def test_each_policy_goes_on_from_the_last_and_is_paid_by_the_newest_reward_model(
    tmp_path: Path,
) -> None:
    trainers = Pipeline(LEARNS)
    settings = IterativeRLSettings(samples=4, grader=0.25, grpo=GRPOSettings(temperature=0.8))
    list(iterative(tmp_path, trainers=trainers, settings=settings))
    policies = [told for told in trainers.told if told.episodes]
    assert [(told.output, told.start) for told in policies] == [
        ("1/policy", None), ("2/policy", "1/policy"), ("3/policy", "2/policy"),
        ("4/policy", "3/policy"),
    ]  # fmt: skip
    for i, told in enumerate(policies, 1):
        assert told.episodes is not None
        assert told.episodes.reward == PaidByModel(tmp_path / str(i) / "reward-model", 0.25)
        [agent] = told.episodes.policy(CurrentWeights("hf/here", "now", 3)).agents
        assert (agent.model, agent.adapter, agent.temperature) == ("hf/here", "now", 0.8)


def test_small_gains_add_up_until_they_are_proved_and_a_plateau_ends_the_loop(
    tmp_path: Path,
) -> None:
    reports = list(iterative(tmp_path))
    assert [one.judged.promotion.promoted for one in reports] == [False, True, False, False]
    assert [one.without_gain for one in reports] == [1, 0, 1, 2]
    assert [one.plateau for one in reports] == [False, False, False, True]
    assert [one.weights.get("generator") for one in reports] == [None, *["2/policy"] * 3]
    # The gain of the second is that of both, over the weights as given.
    assert reports[1].judged.before.strategy.startswith("as given")
    assert (reports[1].judged.before.correct, reports[1].judged.after.correct) == (4, 12)
    assert "the next iteration begins with 1/policy" in str(reports[0])
    assert str(reports[3]).count("plateau: 2 iterations in a row without a significant gain") == 1


def test_patience_is_counted_in_a_row(tmp_path: Path) -> None:
    settings = IterativeRLSettings(samples=4, patience=1)
    [report] = iterative(tmp_path, settings=settings)
    assert report.plateau
    assert report.weights == {}


def test_a_policy_that_outwitted_its_reward_model_is_not_worn_nor_gone_on_with(
    tmp_path: Path,
) -> None:
    trainers = Pipeline({"1/policy": 3, "2/policy": 0, "3/policy": 3})
    first, second, third = iterative(tmp_path, trainers=trainers, iterations=3)
    assert first.weights == second.weights == {"generator": "1/policy"}
    assert "significantly worse" in second.judged.promotion.reason
    assert second.newest == third.began == "1/policy"
    assert trainers.told[5].start == "1/policy"
    assert "KEPT the old weights" in str(second)


def test_a_window_keeps_the_pairs_of_earlier_iterations(tmp_path: Path) -> None:
    trainers = Pipeline(LEARNS)
    settings = IterativeRLSettings(samples=4, window=2)
    list(iterative(tmp_path, trainers=trainers, settings=settings))
    raters = [told for told in trainers.told if told.output.endswith("reward-model")]
    assert [len(told.given) for told in raters] == [12, 12 + 16, 16 + 12, 12 + 12]


def test_replies_that_are_all_right_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="both a right and a wrong reply"):
        list(iterative(tmp_path, model=Pupil(4)))


@pytest.mark.parametrize("training", [1, 2, 3, 4, 7, 8])
def test_a_kill_while_it_trains_changes_no_report_and_samples_nothing_again(
    training: int, tmp_path: Path, whole: Whole
) -> None:
    killed, again, trainers = Pupil(), Pupil(), Pipeline(LEARNS)
    with pytest.raises(KeyboardInterrupt):
        failing = Pipeline(LEARNS, fails_at=training)
        list(iterative(tmp_path / "killed", model=killed, trainers=failing))
    resumed = iterative(tmp_path / "killed", model=again, trainers=trainers)
    assert [timeless(report) for report in resumed] == whole.reports
    assert killed.calls + again.calls == whole.calls
    assert len(trainers.told) == 9 - training


@pytest.mark.parametrize("call", [1, 20, 60, 150, 180])
def test_a_kill_while_it_thinks_changes_no_report(call: int, tmp_path: Path, whole: Whole) -> None:
    with pytest.raises(KeyboardInterrupt):
        list(iterative(tmp_path / "killed", model=Pupil(fails_at=call)))
    assert [timeless(report) for report in iterative(tmp_path / "killed")] == whole.reports


def test_a_finished_loop_is_told_again_without_a_call(tmp_path: Path) -> None:
    before = list(iterative(tmp_path))
    model, trainers = Pupil(), Pipeline()
    assert list(iterative(tmp_path, model=model, trainers=trainers)) == before
    assert (model.calls, trainers.told) == (0, [])


def test_a_policy_that_engines_cannot_wear_is_refused() -> None:
    with pytest.raises(ValidationError, match="engines wear no PrefixTuning"):
        IterativeRLSettings(grpo=GRPOSettings(adapter=PrefixTuning()))
