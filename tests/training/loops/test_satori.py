"""Satori on a planted model: what each stage is given, what is worn, and what kills change."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from learner import asked, sums, timeless
from pydantic import ValidationError

from cogitate.agents import Team
from cogitate.errors import ConfigError
from cogitate.inference import Request, Scripted
from cogitate.training import CurrentWeights, FullWeights, GRPOSettings, PPOSettings
from cogitate.training.loops import Satori, SatoriReport, SatoriSettings, SatoriTrainers
from cogitate.training.loops.reinforce import Paid
from cogitate.training.restarts import ReflectRates
from cogitate.training.rows import PreferenceRow, PromptRow, SFTRow
from cogitate.training.trainers.fit import Trained

SETTINGS = SatoriSettings(agents=1, samples=4)
PPO = SatoriSettings(agents=1, samples=4, ppo=PPOSettings(rank=4))
BOTH = pytest.mark.parametrize("settings", [SETTINGS, PPO], ids=["grpo", "ppo"])


class Model:
    """Writes chains of tokens as well as it was trained, and steps and critiques without."""

    def __init__(self, *, fails_at: int | None = None) -> None:
        self.calls = 0
        self.fails_at = fails_at

    def policy(self, weights: CurrentWeights) -> Team:
        folder = Path(weights.model.removeprefix("hf/"))
        lesson = folder / "config.json"
        skill = json.loads(lesson.read_text())["skill"] if lesson.is_file() else "none"
        return Team.of(Scripted(lambda request: self.chain(request, skill), name=skill))

    def chain(self, request: Request, skill: str) -> str:
        self._count()
        number = asked(request)
        if skill == "none":
            return f"Answer: {number + 3}"
        guess = number + 1 + (0 if skill == "trained" else (number + request.sample) % 3)
        return (
            f"<|continue|>Is it {guess}?\n<|reflect|>Sample {'ab'[request.sample % 2]} adds one.\n"
            f"<|continue|>Answer: {guess}"
        )

    @property
    def agents(self) -> Team:
        return Team.of(
            Scripted(self.agent), verifier=lambda _problem, text: 0.4 if "Hm" in text else 1.0
        )

    def agent(self, request: Request) -> str:
        self._count()
        number = asked(request)
        if request.role == "critic":
            return f"{number} needs care of kind {'xyz'[number % 3]}.\nAccept: no"
        begun = request.prefix.text if request.prefix else ""
        if "Hm" in begun or request.operation not in ("step", "steps"):
            return f"So it is found.\nAnswer: {number + 1}"
        return "Hm, one step"

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self.fails_at:
            raise KeyboardInterrupt


class Trainers:
    """Write what they were given, and remember it."""

    def __init__(self, *, worse: bool = False, fails_at: str | None = None) -> None:
        self.told: list[tuple[str, object]] = []
        self.settings: GRPOSettings | PPOSettings | None = None
        self.paid: Paid | None = None
        self.worse = worse
        self.fails_at = fails_at

    def all(self) -> SatoriTrainers:
        return SatoriTrainers(self.tokens, self.form, self.reward, self.policy)

    def tokens(self, base: str, output: Path) -> Path:
        return self._make("tokens", base, output, "none").folder

    def form(
        self, rows: list[SFTRow], base: str, output: Path, *_: object, **__: object
    ) -> Trained:
        assert Path(base).name == "base"
        return self._make("format", rows, output, "tuned")

    def reward(
        self, rows: Sequence[PreferenceRow], base: str, output: Path, *_: object, **__: object
    ) -> Trained:
        return self._make("orm", rows, output, "none")

    def policy(
        self,
        starts: Sequence[PromptRow],
        policy: Callable[[CurrentWeights], Team],
        base: str,
        output: Path,
        settings: GRPOSettings | PPOSettings,
        paid: Paid,
        *,
        record: Path,
        **_: object,
    ) -> Trained:
        assert paid.orm is None or paid.orm.is_dir()
        assert paid.beta == 0.5
        assert {row.problem for row in starts} <= set(paid.problems)  # graders need all of them
        self.paid = paid
        self.settings = settings
        lines = [ReflectRates(step=i, wrong=4, mended=i, right=4, spoilt=3 - i) for i in range(4)]
        record.write_text("".join(one.model_dump_json() + "\n" for one in lines))
        return self._make("reinforce", starts, output, "tuned" if self.worse else "trained")

    def _make(self, name: str, given: object, output: Path, skill: str) -> Trained:
        self.told.append((name, given))
        if name == self.fails_at:
            raise KeyboardInterrupt
        output.mkdir(parents=True, exist_ok=True)
        (output / "config.json").write_text(json.dumps({"skill": skill}))
        return Trained(output, [1.0, 0.5], 2, 0.0, 4, {}, {})

    def given(self, name: str) -> list[object]:
        return [given for one, given in self.told if one == name]


def satori(
    folder: Path,
    *,
    model: Model | None = None,
    trainers: Trainers | None = None,
    settings: SatoriSettings = SETTINGS,
) -> Satori:
    model = model or Model()
    return Satori(
        model.policy,
        base="hf/none",
        agents=model.agents,
        train=sums("train", 100, 12),
        dev=sums("dev", 900, 40),
        output=folder,
        settings=settings,
        trainers=(trainers or Trainers()).all(),
    )


def test_what_was_thought_becomes_format_pairs_and_starts(tmp_path: Path) -> None:
    trainers = Trainers()
    first, second = satori(tmp_path, trainers=trainers)
    assert [name for name, _ in trainers.told] == [
        "tokens", "format", "orm", "reinforce", "format", "orm", "reinforce"
    ]  # fmt: skip
    chains = trainers.given("format")[0]
    assert isinstance(chains, list)
    doubted = re.compile(
        r"<\|continue\|>Hm, one step<\|reflect\|>\s*\d+ needs care of kind [xyz]\."
    )
    assert len(chains) == 12
    assert all(doubted.match(row.completion) for row in chains)
    # One of three guesses is right: every problem has both, and pairs for the outcome model.
    pairs = trainers.given("orm")[0]
    assert isinstance(pairs, list)
    assert first.pairs == len(pairs) > 0
    for pair in pairs:
        assert [message.content for message in pair.messages] == [pair.question]
        assert pair.chosen.value == 1 and pair.rejected.value == 0
    starts = trainers.given("reinforce")[0]
    assert isinstance(starts, list)
    assert {row.began for row in starts} == {"problem", "right", "wrong"}
    assert first.starts["problem"] == 6
    assert first.forms.formed == first.forms.replies == first.forms.reflecting == 24
    assert first.forms.wordings == 2
    assert first.judged.promotion.promoted
    assert first.weights == second.weights == "1/policy"
    assert (first.first.mended, first.last.mended) == (1, 5)
    assert "KEPT the old weights" in str(second)


def test_the_hardest_are_distilled_into_the_next_start(tmp_path: Path) -> None:
    trainers = Trainers()
    first, second = satori(tmp_path, trainers=trainers)
    before, after = trainers.given("format")
    assert isinstance(before, list) and isinstance(after, list)
    distilled = {row.completion for row in after} - {row.completion for row in before}
    assert distilled
    assert all("adds one" in text for text in distilled)
    assert second.chains != first.chains


def test_a_policy_that_is_no_better_is_not_worn(tmp_path: Path) -> None:
    # It is better than the base without a format, and then no better than itself.
    reports = list(satori(tmp_path, trainers=Trainers(worse=True)))
    assert [report.judged.promotion.promoted for report in reports] == [True, False]
    assert [report.weights for report in reports] == ["1/policy", "1/policy"]


def test_without_restarts_episodes_begin_at_problems_alone(tmp_path: Path) -> None:
    trainers = Trainers()
    list(
        satori(
            tmp_path, trainers=trainers, settings=SETTINGS.model_copy(update={"restarts": False})
        )
    )
    starts = trainers.given("reinforce")[0]
    assert isinstance(starts, list)
    assert {row.began for row in starts} == {"problem"}


def test_what_is_not_rated_is_paid_by_grade_and_bonus_alone(tmp_path: Path) -> None:
    trainers = Trainers()
    settings = SETTINGS.model_copy(update={"rated": False})
    first, _ = satori(tmp_path, trainers=trainers, settings=settings)
    assert trainers.given("orm") == []
    assert trainers.paid is not None and trainers.paid.orm is None
    assert first.orm is None and "outcome model" not in str(first)


class Slips(Model):
    """Its agents first say something wrong."""

    def agent(self, request: Request) -> str:
        said = super().agent(request)
        return f"{said}\nAnswer: 0" if said.startswith("Hm") else said


@pytest.mark.parametrize("mistakes", [True, False])
def test_mistakes_are_learned_or_only_given(mistakes: bool, tmp_path: Path) -> None:
    trainers = Trainers()
    settings = SETTINGS.model_copy(update={"mistakes": mistakes})
    next(iter(satori(tmp_path, model=Slips(), trainers=trainers, settings=settings)))
    rows = trainers.given("format")[0]
    assert isinstance(rows, list)
    slip = "<|continue|>Hm, one step\nAnswer: 0"
    assert rows
    for row in rows:
        assert row.prefix == ("" if mistakes else slip)
        assert (row.prefix + row.completion).startswith(f"{slip}<|reflect|>")


@BOTH
@pytest.mark.parametrize("stage", ["tokens", "format", "orm", "reinforce"])
def test_a_kill_while_it_trains_changes_no_report(
    stage: str, settings: SatoriSettings, tmp_path: Path
) -> None:
    whole = Model()
    expected = [
        timeless(report) for report in satori(tmp_path / "whole", model=whole, settings=settings)
    ]
    killed, again, trainers = Model(), Model(), Trainers()
    killing = Trainers(fails_at=stage)
    with pytest.raises(KeyboardInterrupt):
        list(satori(tmp_path / "killed", model=killed, trainers=killing, settings=settings))
    resumed = satori(tmp_path / "killed", model=again, trainers=trainers, settings=settings)
    assert [timeless(report) for report in resumed] == expected
    assert killed.calls + again.calls == whole.calls
    assert trainers.settings == settings.policy


@BOTH
@pytest.mark.parametrize("call", [5, 40, 90])
def test_a_kill_while_it_thinks_changes_no_report(
    call: int, settings: SatoriSettings, tmp_path: Path
) -> None:
    expected = [timeless(report) for report in satori(tmp_path / "whole", settings=settings)]
    with pytest.raises(KeyboardInterrupt):
        list(satori(tmp_path / "killed", model=Model(fails_at=call), settings=settings))
    resumed = satori(tmp_path / "killed", settings=settings)
    assert [timeless(report) for report in resumed] == expected


def test_a_finished_loop_is_told_again_without_a_call(tmp_path: Path) -> None:
    before: list[SatoriReport] = list(satori(tmp_path))
    model, trainers = Model(), Trainers()
    assert list(satori(tmp_path, model=model, trainers=trainers)) == before
    assert (model.calls, trainers.told) == (0, [])


def test_a_policy_that_cannot_be_merged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LoRA"):
        satori(tmp_path, settings=SatoriSettings(grpo=GRPOSettings(adapter=FullWeights())))


def test_the_policy_learns_by_one_method(tmp_path: Path) -> None:
    assert isinstance(SETTINGS.policy, GRPOSettings)
    assert PPO.policy is PPO.ppo
    with pytest.raises(ValidationError, match="give grpo or ppo"):
        SatoriSettings(grpo=GRPOSettings(beta=0.1), ppo=PPOSettings())
    assert SatoriSettings.model_validate_json(PPO.model_dump_json()) == PPO
    list(satori(tmp_path, settings=PPO))
    with pytest.raises(ConfigError, match="ppo"):
        satori(tmp_path, settings=SETTINGS)
