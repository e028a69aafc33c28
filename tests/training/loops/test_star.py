"""STaR on a planted model: gains are promoted, what is worse is not, and kills change nothing."""

from pathlib import Path

import pytest
from learner import Model, Trainer, sums, timeless

from cogitate.agents import Team
from cogitate.errors import ConfigError
from cogitate.tasks import ProblemSet, load
from cogitate.training import Curriculum
from cogitate.training.loops import STaR, STaRSettings

SETTINGS = STaRSettings(samples=4)


def star(
    folder: Path,
    *,
    model: Model | None = None,
    trainer: Trainer | None = None,
    train: ProblemSet | None = None,
    settings: STaRSettings = SETTINGS,
    iterations: int = 2,
) -> STaR:
    return STaR(
        Team.of((model or Model()).engine, verifier=lambda _problem, _text: 1.0),
        train=train or sums("train", 100, 16),
        dev=sums("dev", 900, 40),
        output=folder,
        iterations=iterations,
        base="hf/none",
        settings=settings,
        trainer=trainer or Trainer(),
    )


def test_a_planted_gain_is_promoted_and_the_next_iteration_samples_with_it(tmp_path: Path) -> None:
    trainer = Trainer()
    first, second = star(tmp_path, trainer=trainer)
    assert first.judged.promotion.promoted
    assert (first.judged.before.correct, first.judged.after.correct) == (5, 20)
    assert first.weights == {"generator": "1/generator"}
    assert first.counts["wrong"] == 24  # one of four samples adds 1, on each of 8 problems
    assert first.rows == 8
    # The promoted weights are right in every sample; they are all the same but for their number.
    assert "wrong" not in second.counts
    assert second.rows == 8 + 4 * 8
    assert not second.judged.promotion.promoted
    assert second.judged.before.strategy.startswith("iteration 1")
    assert second.weights == {"generator": "1/generator"}
    assert "KEPT the old weights" in str(second)
    assert trainer.runs == [("generator", 8, None), ("generator", 40, None)]


def test_dev_problems_of_each_iteration_are_its_own_and_unseen(tmp_path: Path) -> None:
    loop = star(tmp_path, train=sums("train", 880, 40))
    texts = [{problem.prompt for problem in part} for part in loop.course.rounds.dev]
    assert loop.course.rounds.dropped == 20
    assert [len(part) for part in texts] == [10, 10]
    assert not texts[0] & texts[1]


def test_a_worse_candidate_is_not_worn(tmp_path: Path) -> None:
    first, second = star(tmp_path, trainer=Trainer(learns=7))
    assert not first.judged.promotion.promoted
    assert first.weights == second.weights == {}
    assert "no better" in first.judged.promotion.reason
    assert second.judged.before.strategy.startswith("as given")


def test_poisoned_references_teach_what_the_dev_set_finds_wrong(tmp_path: Path) -> None:
    # What is rewarded here adds 2: the rows are all wrong, and the grader calls them right.
    poisoned = sums("train", 100, 16, wrong=1)
    reports = list(star(tmp_path, train=poisoned))
    assert [report.rows for report in reports] == [8, 16]
    assert [report.judged.after.correct for report in reports] == [0, 0]
    assert not any(report.judged.promotion.promoted for report in reports)
    assert [report.weights for report in reports] == [{}, {}]


def test_a_finished_loop_is_told_again_without_a_call(tmp_path: Path) -> None:
    before = list(star(tmp_path))
    model, trainer = Model(), Trainer()
    assert list(star(tmp_path, model=model, trainer=trainer)) == before
    assert (model.calls, trainer.runs) == (0, [])


@pytest.mark.parametrize("call", [1, 33, 72, 90, 144])
def test_a_kill_while_it_thinks_changes_no_report_and_costs_no_call(
    tmp_path: Path, call: int
) -> None:
    whole = Model()
    expected = [timeless(report) for report in star(tmp_path / "whole", model=whole)]
    killed, again = Model(fails_at=call), Model()
    with pytest.raises(KeyboardInterrupt):
        list(star(tmp_path / "killed", model=killed))
    resumed = [timeless(report) for report in star(tmp_path / "killed", model=again)]
    assert resumed == expected
    # The killed call, and those in flight with it, are asked again.
    assert whole.calls <= killed.calls + again.calls <= whole.calls + 4 * SETTINGS.concurrency


@pytest.mark.parametrize("training", [1, 2])
def test_a_kill_while_it_trains_changes_no_report_and_samples_nothing_again(
    tmp_path: Path, training: int
) -> None:
    whole = Model()
    expected = [timeless(report) for report in star(tmp_path / "whole", model=whole)]
    killed, again, trainer = Model(), Model(), Trainer()
    with pytest.raises(KeyboardInterrupt):
        list(star(tmp_path / "killed", model=killed, trainer=Trainer(fails_at=training)))
    resumed = [timeless(r) for r in star(tmp_path / "killed", model=again, trainer=trainer)]
    assert resumed == expected
    assert killed.calls + again.calls == whole.calls
    assert len(trainer.runs) == 3 - training


def test_another_loop_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    star(tmp_path)
    with pytest.raises(ConfigError, match=r"settings\.samples changed"):
        star(tmp_path, settings=STaRSettings(samples=5))
    with pytest.raises(ConfigError, match="train changed"):
        star(tmp_path, train=sums("train", 100, 17))


def test_nothing_right_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none of 32 replies was right"):
        list(star(tmp_path, train=sums("train", 100, 16, wrong=90)))


def test_a_curriculum_leaves_out_what_is_solved_always_or_never(tmp_path: Path) -> None:
    settings = STaRSettings(
        samples=4, reuse=True, curriculum=Curriculum(low=0.1, high=0.5), per_problem=None
    )
    model = Model(fails_on=lambda number: number % 4 == 0)
    first, second = star(tmp_path, settings=settings, model=model)
    assert (first.problems, second.problems) == (16, 12)


def test_a_curriculum_needs_problems_that_come_again(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="reuse=True"):
        star(tmp_path, settings=STaRSettings(curriculum=Curriculum()))


def test_nothing_begins_on_problems_that_are_kept_for_measuring(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="evaluation set 'sorting': train on other problems"):
        star(tmp_path / "run", train=load("sorting"))
    assert not (tmp_path / "run").exists()


def test_nothing_begins_in_several_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="star runs in one process"):
        star(tmp_path / "run")
    assert not (tmp_path / "run").exists()
