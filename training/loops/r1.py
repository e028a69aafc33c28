"""R1: a model learns to reason by reinforcement learning, and teaches a smaller one.

DeepSeek-AI 2025 (arXiv:2501.12948). Five steps: a cold start (SFT on long verified chains), RL with
rules (a right answer, a kept format), SFT of the *base* on what that policy wrote and a grader
verified, RL again from there, and SFT of a smaller model on what the last policy wrote.

Each step is judged on dev problems of its own against the weights that are worn, and worn only
after a significant gain; the next step goes on from it all the same, unless it is significantly
worse (see `Standing`), as a pipeline whose early steps need not pay off at once.

Departures: both RL steps have the same rules and problems; the paper's second one mixes in general
prompts with models of helpfulness and harmlessness, and both reward one language throughout. Rows
that are imitated are reasoning alone, without the paper's writing and general questions. Chains of
the cold start are the longest right ones, where the paper has people edit them. The student is
distilled from the last policy's own replies, where the paper used the rows of its SFT step. Left
out: R1-Zero, which has no cold start.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from cogitate.agents import Team
from cogitate.errors import ConfigError
from cogitate.graphs import ChainOfThought, SelfConsistency, Strategy
from cogitate.graphs.solve import wait_for
from cogitate.memory import RunStore
from cogitate.tasks import ProblemSet
from cogitate.training.dataset import distinct, unseen
from cogitate.training.described import described
from cogitate.training.harvest import harvest
from cogitate.training.loops.cold_rows import check_rows, right_rows
from cogitate.training.loops.course import AS_GIVEN, Course
from cogitate.training.loops.digests import (
    digest,
    digest_of_problems,
    digest_of_rows,
    digest_of_team,
)
from cogitate.training.loops.kept_rows import keep_rows, kept_rows
from cogitate.training.loops.learn import Learned, TrainSFT
from cogitate.training.loops.policy_rewards import PaidByRules
from cogitate.training.loops.policy_training import Episodes, TrainPolicy, train_policy
from cogitate.training.loops.progress import Progress, of_steps
from cogitate.training.loops.r1_report import R1Report, R1Rows, R1Settings, R1Step
from cogitate.training.loops.stages import Stage
from cogitate.training.loops.standing import Standing
from cogitate.training.loops.weights import Begins, as_policy, base_of, begins, worn_by
from cogitate.training.rows import SFTRow
from cogitate.training.rows_from import problem_starts
from cogitate.training.trainers.sft import train_sft

__all__ = ["R1"]

_ROLE = "generator"


class _Rows(NamedTuple):
    """What a supervised step learns from."""

    file: Path
    problems: int
    counts: dict[str, int]
    teacher: str


@described(
    "r1",
    paper="DeepSeek-AI 2025, arXiv:2501.12948",
    needs="problems with graders; long verified chains, or a team that is right now and then",
    costs="two SFTs, GRPO twice, replies to all problems twice; each step a dev set twice",
    pays="where rules tell what is right: a model that thinks long, and a smaller one after it",
)
class R1:
    """Reason by RL with rules, between SFT of a cold start and of what the policy wrote; distil.

    Iterate over it. The same call goes on where an earlier one was stopped.

    Args:
        team: Who learns, and is judged; the words of its generator are trained.
        train: Problems to sample on.
        dev: Problems to judge on; each step has unseen ones of its own.
        output: The run directory.
        cold: Chains for the cold start; those that are not right are left out. Where their
            problems are in `train` they are graded anew; of others their own grade decides, and
            they are counted as `claimed`.
        first: Who samples these chains otherwise: a team that is shown worked examples, or a
            stronger model; the team itself by default.
        student: The smaller model in its team. None: the loop ends with the second RL.
        strategy: How the team thinks in RL and when it is judged; `ChainOfThought()` by default,
            whose prompt is the one that rows are sampled from.
        base: The model whose weights are trained, where the team does not name it.
        student_base: That of the student.
        settings: How.
        sft: Trains on rows.
        policy: Trains by RL.
        progress: Hears of every stage as it goes.

    Raises:
        ConfigError: Too few problems, a run directory of another loop, or settings that do not fit.
    """

    def __init__(
        self,
        team: Team,
        *,
        train: ProblemSet,
        dev: ProblemSet,
        output: str | Path,
        cold: Sequence[SFTRow] | None = None,
        first: Team | None = None,
        student: Team | None = None,
        strategy: Strategy | None = None,
        base: str | None = None,
        student_base: str | None = None,
        settings: R1Settings | None = None,
        sft: TrainSFT = train_sft,
        policy: TrainPolicy = train_policy,
        progress: Progress | None = None,
    ) -> None:
        if cold is not None and first is not None:
            raise ConfigError("the cold start has one source: give cold=, rows, or first=, a team")
        check_rows(cold or ())
        self.settings = how = settings or R1Settings()
        strategy = strategy or ChainOfThought()
        own = Begins(base_of(team, _ROLE, base), worn_by(team, _ROLE))
        self.student, self.cold = student, cold
        self.steps = tuple(one for one in R1Step if student or one is not R1Step.DISTIL)
        self._bases = dict.fromkeys(self.steps, own)
        also: dict[str, JsonValue] = {"cold": None if cold is None else digest_of_rows(cold)}
        if student is not None:
            pupil = Begins(base_of(student, _ROLE, student_base), worn_by(student, _ROLE))
            self._bases[R1Step.DISTIL] = pupil
            also |= {"student": digest_of_team(student, strategy), "student base": pupil.base}
        self.course = Course.begin(
            "r1",
            team=team,
            first=first,
            base=own.base,
            sampling=SelfConsistency(n=how.samples),
            strategy=strategy,
            train=train,
            dev=unseen(dev, than=cold or ()),
            output=output,
            iterations=len(self.steps),
            names=self.steps,
            settings=how,
            progress=progress,
            also=also,
        )
        self._sft, self._policy = sft, policy

    def __iter__(self) -> Iterator[R1Report]:
        """Yield what each step came to; finished ones come from the stage log at once."""
        course, standing = self.course, Standing()
        with course.opened() as store:
            for i, step in enumerate(self.steps, 1):
                pupil = step is R1Step.DISTIL
                origin = None if step.imitates else standing.newest.get(_ROLE)
                rows = self._rows(i, step, standing, store) if step.imitates else None
                if rows is None:
                    learned = self._reinforce(i, step, origin)
                else:
                    learned = self._imitate(i, step, rows.file)
                candidate = {_ROLE: course.log.folder(i) / step}
                old = {} if pupil else standing.worn
                team = self.student if pupil else None
                judged = course.judge(i, old, candidate, store, team=team)
                if not pupil:
                    standing = standing.after(candidate, judged)
                yield R1Report(
                    iteration=i,
                    step=step,
                    began=course.where(origin),
                    teacher=None if rows is None else rows.teacher,
                    problems=len(course.rounds.train[i - 1]) if rows is None else rows.problems,
                    counts={} if rows is None else rows.counts,
                    learned=learned,
                    judged=judged,
                    weights=course.told(candidate if judged.promotion.promoted else old),
                    newest=course.where(standing.newest.get(_ROLE)),
                    sampled_tokens=0 if rows is None else course.log.of(i)["rows"].tokens,
                    seconds=course.seconds(i),
                )

    def _rows(self, i: int, step: R1Step, standing: Standing, store: RunStore) -> _Rows:
        """The rows of a supervised step: those that were given, or right replies."""
        course, how = self.course, self.settings
        problems = course.rounds.train[i - 1]
        starts = step is R1Step.COLD_START
        given = self.cold if starts else None
        team = course.sampler({} if starts else standing.newest)

        def work(stage: Stage) -> R1Rows:
            if given is not None:
                found = wait_for(right_rows(given, role=_ROLE, problems=course.train))
            else:
                report = course.think(stage, team, problems, store, seed=how.seed + i)
                found = harvest(report, prompt=course.prompt).verified(_ROLE, per_problem=None)
            best = sorted(found.rows, key=lambda row: -len(row.completion) if starts else 0)
            rows, equal, capped = distinct(best, per_problem=how.per_problem)
            counts = {"solutions": 0, **found.counts, "kept": len(rows), "capped": capped}
            counts["duplicates"] = counts.get("duplicates", 0) + equal
            if not rows:
                raise ConfigError(
                    f"{step}: none of {counts['solutions']} replies was right, so there is nothing "
                    "to learn from: give easier problems, more samples, or cold= or first=, for "
                    "chains of a team that is better"
                )
            keep_rows(stage.output("rows.jsonl"), rows)
            asked = len({row.question for row in given}) if given is not None else len(problems)
            return R1Rows(problems=asked, counts=counts, rows=len(rows))

        inputs = {"problems": digest_of_problems(problems)}
        if not starts:
            inputs |= course.inputs(standing.newest)
        made = course.log.stage("rows", R1Rows, work, iteration=i, inputs=inputs)
        teacher = course.where(standing.newest.get(_ROLE))
        if given is not None:
            teacher = "rows"
        elif team is course.first and team is not course.team:
            teacher = "first"
        return _Rows(course.log.folder(i) / "rows.jsonl", made.problems, made.counts, teacher)

    def _imitate(self, i: int, step: R1Step, rows: Path) -> Learned:
        """Supervised fine-tuning, from weights that no step has touched."""
        base = self._bases[step]

        def work(stage: Stage) -> Learned:
            with self.course.training():
                found = self._sft(
                    kept_rows(rows, SFTRow),
                    base.base,
                    stage.output(step),
                    self.settings.imitating(step),
                    start=base.adapter,
                    on_step=of_steps(self.course.progress, f"{i}: {step}"),
                )
            return Learned.of(found)

        inputs = {"rows": digest(rows)}
        return self.course.log.stage("train", Learned, work, iteration=i, inputs=inputs)

    def _reinforce(self, i: int, step: R1Step, origin: Path | None) -> Learned:
        """RL with rules, from the newest weights."""
        course, how = self.course, self.settings
        problems, settings = course.rounds.train[i - 1], how.reinforcing(step)
        base = self._bases[step]
        begun = base if origin is None else begins(base.base, origin)

        def work(stage: Stage) -> Learned:
            with course.training():
                found = self._policy(
                    problem_starts(problems),
                    Episodes(
                        policy=as_policy(course.team, _ROLE, temperature=settings.temperature),
                        strategy=course.strategy,
                        reward=PaidByRules(how.format),
                        problems={problem.id: problem for problem in problems},
                        seed=how.seed + i,
                    ),
                    begun.base,
                    stage.output(step),
                    settings,
                    start=begun.adapter,
                    on_step=of_steps(course.progress, f"{i}: {step}"),
                )
            return Learned.of(found)

        inputs = {
            "problems": digest_of_problems(problems),
            "weights": AS_GIVEN if origin is None else digest(origin),
        }
        return course.log.stage("train", Learned, work, iteration=i, inputs=inputs)
