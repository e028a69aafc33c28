"""R1 on a planted model: what each step begins with, what is worn, and what kills change."""

from pathlib import Path
from typing import NamedTuple

import pytest
from learner import sums, timeless
from pipeline import Pipeline, Pupil
from pydantic import JsonValue, ValidationError

from cogitate.agents import Generator, Team
from cogitate.errors import ConfigError
from cogitate.graphs import Source
from cogitate.inference import Message, Scripted
from cogitate.tasks import load
from cogitate.training import (
    CurrentWeights,
    FullWeights,
    GRPOSettings,
    LoRA,
    PrefixTuning,
    SFTSettings,
)
from cogitate.training.loops import R1, R1Settings, R1Step
from cogitate.training.loops.policy_rewards import PaidByRules
from cogitate.training.rows import PromptRow, SFTRow

SETTINGS = R1Settings(samples=4)
LEARNS = {"1/cold-start": 2}
"""A cold start that helps a little, too little to prove it; all that comes after is right."""


def r1(
    folder: Path,
    *,
    model: Pupil | None = None,
    trainers: Pipeline | None = None,
    cold: list[SFTRow] | None = None,
    first: Team | None = None,
    student: bool = True,
    settings: R1Settings = SETTINGS,
) -> R1:
    trainers = trainers or Pipeline(LEARNS)
    return R1(
        Team(Generator((model or Pupil()).engine)),
        train=sums("train", 100, 8),
        dev=sums("dev", 900, 40 if student else 32),
        output=folder,
        cold=cold,
        first=first,
        student=Team(Generator(Pupil(0).engine)) if student else None,
        base="hf/none",
        student_base="hf/small",
        settings=settings,
        sft=trainers.sft,
        policy=trainers.policy,
    )


def chain(number: int, adds: int, grade: float, role: str = "generator") -> SFTRow:
    question = f"What is {number} + 1?"
    return SFTRow(
        problem=f"given{number}", question=question, role=role, agent=role, operation="generate",
        messages=(Message("user", question),), thought="t.0", source=Source("some/teacher"),
        completion=f"At length: it is\nAnswer: {number + adds}", grade=grade,
    )  # fmt: skip


class Whole(NamedTuple):
    """A loop that nothing interrupted."""

    reports: list[dict[str, JsonValue]]
    calls: int


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    model = Pupil()
    reports = [timeless(one) for one in r1(tmp_path_factory.mktemp("whole"), model=model)]
    return Whole(reports, model.calls)


def test_each_step_begins_with_the_weights_that_the_method_says(tmp_path: Path) -> None:
    trainers = Pipeline(LEARNS)
    list(r1(tmp_path, trainers=trainers))
    assert [(told.output, told.base, told.start) for told in trainers.told] == [
        ("1/cold-start", "hf/none", None),
        ("2/reasoning", "hf/none", "1/cold-start"),
        ("3/rejection", "hf/none", None),  # the base anew
        ("4/final", "hf/none", "3/rejection"),
        ("5/distil", "hf/small", None),
    ]


def test_rows_are_right_replies_of_the_newest_weights(tmp_path: Path) -> None:
    trainers = Pipeline(LEARNS)
    cold, reasoning, rejection, final, distil = r1(tmp_path, trainers=trainers)
    # As given one sample of four is right, after RL all are.
    assert [len(told.given) for told in trainers.told] == [8, 8, 32, 8, 32]
    assert (cold.counts["solutions"], cold.counts["wrong"], cold.counts["kept"]) == (32, 24, 8)
    assert [one.teacher for one in (cold, reasoning, rejection, final, distil)] == [
        "as given", None, "2/reasoning", None, "4/final"
    ]  # fmt: skip
    for told in (trainers.told[0], trainers.told[2], trainers.told[4]):
        for row in told.given:
            assert isinstance(row, SFTRow)
            assert row.grade == 1


def test_rl_is_paid_by_rules_and_plays_with_the_team_at_the_trained_temperature(
    tmp_path: Path,
) -> None:
    trainers = Pipeline(LEARNS)
    settings = R1Settings(samples=4, format=0.5, final=GRPOSettings(temperature=0.9))
    loop = r1(tmp_path, trainers=trainers, settings=settings)
    list(loop)
    reasoning, final = trainers.told[1], trainers.told[3]
    for told, temperature in ((reasoning, 1.0), (final, 0.9)):
        assert told.episodes is not None
        assert told.episodes.reward == PaidByRules(0.5)
        assert told.episodes.strategy is loop.course.strategy
        [agent] = told.episodes.policy(CurrentWeights("hf/here", "now", 3)).agents
        assert (agent.model, agent.adapter, agent.temperature) == ("hf/here", "now", temperature)
        starts = [row for row in told.given if isinstance(row, PromptRow)]
        assert [row.question for row in starts] == [p.prompt for p in loop.course.train]
        assert [told.episodes.problems[row.problem].prompt for row in starts] == [
            row.question for row in starts
        ]


def test_small_gains_go_on_unworn_until_they_are_proved(tmp_path: Path) -> None:
    cold, reasoning, rejection, final, distil = r1(tmp_path)
    assert not cold.judged.promotion.promoted
    assert (cold.weights, cold.newest) == ({}, "1/cold-start")
    assert reasoning.judged.promotion.promoted
    assert reasoning.judged.before.strategy.startswith("as given")
    assert reasoning.weights == {"generator": "2/reasoning"}
    assert not rejection.judged.promotion.promoted
    assert (rejection.weights, rejection.newest) == (reasoning.weights, "3/rejection")
    assert rejection.judged.before.strategy.startswith("reasoning")
    assert (final.began, final.newest) == ("3/rejection", "4/final")
    assert "KEPT the old weights: the candidate is no better" in str(final)
    # The student is judged against itself, and its weights are not the team's.
    assert (distil.judged.before.correct, distil.judged.after.correct) == (0, 8)
    assert distil.weights == {"generator": "5/distil"}
    assert str(distil).startswith("step 5, distil: from as given; 32 of 32 replies to 8 problems")
    assert distil.newest == "4/final"


def test_weights_that_are_significantly_worse_are_left_at_once(tmp_path: Path) -> None:
    trainers = Pipeline({**LEARNS, "3/rejection": 0})
    _, reasoning, rejection, final, _ = r1(tmp_path, trainers=trainers)
    assert rejection.weights == reasoning.weights
    assert rejection.newest == "2/reasoning"
    assert "significantly worse" in rejection.judged.promotion.reason
    assert "goes on from 2/reasoning" in str(rejection)
    assert final.began == "2/reasoning"
    assert trainers.told[3].start == "2/reasoning"


def test_without_a_student_it_ends_with_the_second_rl(tmp_path: Path) -> None:
    loop = r1(tmp_path, student=False)
    assert [report.step for report in loop] == [*R1Step][:4]
    assert [len(part) for part in loop.course.rounds.dev] == [8] * 4


def test_the_cold_start_takes_right_rows_that_are_given(tmp_path: Path) -> None:
    rows = [chain(1, 1, 1.0), chain(1, 1, 1.0), chain(2, 7, 0.0), chain(3, 1, 1.0, "critic")]
    trainers, model = Pipeline(LEARNS), Pupil()
    report = next(iter(r1(tmp_path, cold=rows, trainers=trainers, model=model)))
    assert trainers.told[0].given == [rows[0]]
    assert report.counts == {
        "solutions": 4, "wrong": 2, "claimed": 4, "duplicates": 1, "capped": 0, "kept": 1
    }  # fmt: skip
    assert (report.teacher, report.problems, report.sampled_tokens) == ("rows", 3, 0)
    assert model.calls == 2 * 8  # the judge's alone


def test_a_dev_problem_of_a_given_row_is_left_out(tmp_path: Path) -> None:
    loop = r1(tmp_path, cold=[chain(901, 1, 1.0), chain(905, 1, 1.0)])
    assert sum(len(part) for part in loop.course.rounds.dev) == 38


def test_the_cold_start_prefers_long_replies_of_who_is_first(tmp_path: Path) -> None:
    trainers = Pipeline(LEARNS)
    settings = R1Settings(samples=4, per_problem=1)
    loop = r1(
        tmp_path, trainers=trainers, first=Team(Generator(Pupil(4).engine)), settings=settings
    )
    cold = next(iter(loop))
    assert cold.teacher == "first"
    assert all(
        isinstance(row, SFTRow) and row.completion.startswith("so so so ")
        for row in trainers.told[0].given
    )
    assert (cold.counts["kept"], cold.counts["capped"]) == (8, 24)


@pytest.mark.parametrize("training", [1, 2, 3, 4, 5])
def test_a_kill_while_it_trains_changes_no_report_and_samples_nothing_again(
    training: int, tmp_path: Path, whole: Whole
) -> None:
    killed, again, trainers = Pupil(), Pupil(), Pipeline(LEARNS)
    with pytest.raises(KeyboardInterrupt):
        failing = Pipeline(LEARNS, fails_at=training)
        list(r1(tmp_path / "killed", model=killed, trainers=failing))
    resumed = r1(tmp_path / "killed", model=again, trainers=trainers)
    assert [timeless(report) for report in resumed] == whole.reports
    assert killed.calls + again.calls == whole.calls
    assert len(trainers.told) == 6 - training


@pytest.mark.parametrize("call", [1, 33, 50, 80, 100, 130])
def test_a_kill_while_it_thinks_changes_no_report(call: int, tmp_path: Path, whole: Whole) -> None:
    with pytest.raises(KeyboardInterrupt):
        list(r1(tmp_path / "killed", model=Pupil(fails_at=call)))
    assert [timeless(report) for report in r1(tmp_path / "killed")] == whole.reports


def test_a_finished_loop_is_told_again_without_a_call(tmp_path: Path) -> None:
    before = list(r1(tmp_path))
    model, trainers = Pupil(), Pipeline()
    assert list(r1(tmp_path, model=model, trainers=trainers)) == before
    assert (model.calls, trainers.told) == (0, [])


def test_other_rows_or_another_student_are_another_loop(tmp_path: Path) -> None:
    r1(tmp_path, cold=[chain(1, 1, 1.0)])
    with pytest.raises(ConfigError, match="cold changed"):
        r1(tmp_path, cold=[chain(2, 1, 1.0)])
    with pytest.raises(ConfigError, match="student"):
        r1(tmp_path, cold=[chain(1, 1, 1.0)], student=False)


def test_two_sources_of_a_cold_start_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one source"):
        r1(tmp_path, cold=[chain(1, 1, 1.0)], first=Team(Generator(Scripted(["x"]))))


def test_a_model_that_is_never_right_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cold-start: none of 32 replies was right"):
        list(r1(tmp_path, model=Pupil(0)))


def test_steps_whose_weights_cannot_go_on_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"kinds \['full', 'lora'\]"):
        R1Settings(cold_start=SFTSettings(adapter=FullWeights()))
    for adapter in (PrefixTuning(), LoRA(tokens=(1,))):
        with pytest.raises(ValidationError, match="engines wear no"):
            R1Settings(distil=SFTSettings(adapter=adapter))


def test_given_chains_are_graded_anew_where_their_problem_is_known(tmp_path: Path) -> None:
    trainers = Pipeline(LEARNS)
    lies, honest, unknown = chain(101, 5, 1.0), chain(102, 1, 0.0), chain(7, 1, 1.0)
    report, *_ = r1(tmp_path, trainers=trainers, cold=[lies, honest, unknown])
    rows = [row for row in trainers.told[0].given if isinstance(row, SFTRow)]
    assert {(row.problem, row.grade) for row in rows} == {("given102", 1.0), ("given7", 1.0)}
    assert (report.counts["wrong"], report.counts["claimed"]) == (1, 1)


def test_chains_of_problems_that_are_kept_for_measuring_are_refused(tmp_path: Path) -> None:
    question = load("gsm8k")[0].prompt
    with pytest.raises(ConfigError, match="evaluation set 'gsm8k'"):
        r1(tmp_path, cold=[chain(7, 1, 1.0).model_copy(update={"question": question})])
