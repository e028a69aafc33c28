"""MALT on planted roles: rows by hand, references as intended, one decision for the team."""

from collections.abc import Callable
from pathlib import Path

import pytest
from learner import Roles, Run, Trainer, asked, sums, timeless

from cogitate.agents import Critic, Generator, Refiner, Team
from cogitate.errors import ConfigError
from cogitate.inference import Request, Scripted
from cogitate.training.loops import MALT, MALTSettings


def malt(
    folder: Path,
    *,
    model: Roles | None = None,
    trainer: Trainer | None = None,
    iterations: int = 1,
    settings: MALTSettings | None = None,
) -> MALT:
    engine = (model or Roles()).engine
    trainer = trainer or Trainer(learns=1)
    return MALT(
        Team(Generator(engine), Critic(engine), refiner=Refiner(engine)),
        train=sums("train", 100, 4 * iterations),
        dev=sums("dev", 900, 12 * iterations),
        output=folder,
        iterations=iterations,
        base="hf/none",
        settings=settings,
        sft=trainer,
        dpo=trainer,
    )


def test_each_role_learns_from_its_own_values_and_the_team_is_promoted(tmp_path: Path) -> None:
    model, trainer = Roles(), Trainer(learns=1)
    [report] = malt(tmp_path, model=model, trainer=trainer)
    # For each of 4 problems. A right draft: accepted once (its 3 refinements are right: value 1),
    # rejected twice (2 of 3 right); its own value is 7/9. A wrong draft: rejected once (2/3),
    # accepted twice (0); its own value is 2/9, and there are two of them.
    assert trainer.runs == [
        Run("generator-sft", 4 * 1, None),
        Run("critic-sft", 4 * (3 + 1 + 1), None),
        Run("refiner-sft", 4 * (3 + 2 + 2 + 2 + 2), None),
        Run("critic-dpo", 4 * (2 + 2), "critic-sft"),  # one truth and two lies of each wrong draft
        Run("refiner-dpo", 4 * (2 + 2 + 2 + 2), "refiner-sft"),  # of each rejection 2 right, 1 not
    ]
    assert report.skipped == ()
    assert (report.judged.before.correct, report.judged.after.correct) == (0, 12)
    assert report.judged.promotion.promoted
    assert report.weights == {
        "critic": "1/critic-dpo", "generator": "1/generator-sft", "refiner": "1/refiner-dpo"
    }  # fmt: skip
    assert (report.judged.before.calls, report.judged.after.calls) == (12 * 9, 12 * 9)
    assert model.calls == 4 * 39 + 2 * 12 * 9


def test_the_report_tells_what_each_role_did_before_and_after(tmp_path: Path) -> None:
    [report] = malt(tmp_path)
    before, after = report.judged.roles_before, report.judged.roles_after
    # Before, the critic lies; so the right draft of three is mended and the wrong ones stay.
    assert (before.critic_accuracy.right, before.critic_accuracy.total) == (0, 36)
    assert (before.repaired.right, before.repaired.total) == (0, 24)
    assert (before.damaged.right, before.damaged.total) == (0, 12)
    assert (after.first.right, after.first.total) == (36, 36)
    assert (after.critic_accuracy.right, after.critic_accuracy.total) == (36, 36)
    text = str(report)
    assert "PROMOTED" in text
    assert "critiques that agree with the grade | 36/36" in text


def test_trees_grow_at_their_own_temperature_and_teams_are_judged_at_theirs(tmp_path: Path) -> None:
    model = Roles()
    list(malt(tmp_path, model=model))
    assert model.temperatures == {0.3, 0.7}


def test_a_worse_team_keeps_its_weights_and_the_next_iteration_begins_with_them(
    tmp_path: Path,
) -> None:
    trainer = Trainer(learns=2)
    first, second = malt(tmp_path, trainer=trainer, iterations=2)
    assert not first.judged.promotion.promoted
    assert first.weights == second.weights == {}
    assert second.judged.before.strategy.startswith("as given")
    # All rows so far; the references are those of the iteration itself.
    assert [run.rows for run in trainer.runs[5:]] == [2 * run.rows for run in trainer.runs[:5]]
    assert trainer.runs[8].start == "critic-sft"


def says(folder: Path, reply: Callable[[Request], str]) -> MALT:
    engine = Scripted(reply)
    return MALT(
        Team(Generator(engine), Critic(engine), refiner=Refiner(engine)),
        train=sums("train", 100, 2),
        dev=sums("dev", 900, 3),
        output=folder,
        iterations=1,
        base="hf/none",
        sft=Trainer(learns=1),
        dpo=Trainer(learns=1),
    )


def test_a_role_whose_siblings_are_all_alike_has_no_second_training_and_that_is_said(
    tmp_path: Path,
) -> None:
    def right(request: Request) -> str:
        return f"({request.sample}) Accept: yes\nAnswer: {asked(request) + 1}"

    [report] = says(tmp_path, right)
    assert report.skipped == ("dpo critic", "dpo refiner")
    assert sorted(report.learned) == ["sft critic", "sft generator", "sft refiner"]
    assert report.counts["dpo critic"]["one-sided"] == 2 * 3
    assert "no rows for dpo critic, dpo refiner" in str(report)


def test_trees_without_anything_right_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="worth imitating"):
        list(says(tmp_path, lambda _request: "Accept: no\nAnswer: 0"))


@pytest.mark.parametrize("call", [1, 60, 156, 157, 300])
def test_a_kill_while_it_thinks_changes_no_report(tmp_path: Path, call: int) -> None:
    expected = [timeless(report) for report in malt(tmp_path / "whole")]
    with pytest.raises(KeyboardInterrupt):
        list(malt(tmp_path / "killed", model=Roles(fails_at=call)))
    assert [timeless(report) for report in malt(tmp_path / "killed")] == expected


@pytest.mark.parametrize("training", [1, 2, 3, 4, 5])
def test_a_kill_while_it_trains_changes_no_report_and_repeats_no_other_stage(
    tmp_path: Path, training: int
) -> None:
    expected = [timeless(report) for report in malt(tmp_path / "whole")]
    killed = Trainer(learns=1, fails_at=training)
    with pytest.raises(KeyboardInterrupt):
        list(malt(tmp_path / "killed", trainer=killed))
    model, trainer = Roles(), Trainer(learns=1)
    resumed = malt(tmp_path / "killed", model=model, trainer=trainer)
    assert [timeless(report) for report in resumed] == expected
    assert len(trainer.runs) == 5 - (training - 1)
    assert model.calls == 2 * 12 * 9


def test_another_tree_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    malt(tmp_path)
    with pytest.raises(ConfigError, match=r"settings\.temperature changed"):
        malt(tmp_path, settings=MALTSettings(temperature=1.0))
