"""Iterative RL: a policy and a reward model that is trained anew on what that policy writes now.

Bai et al. 2022 (arXiv:2204.05862, "iterated online RLHF"): a fixed reward model is worth less the
further a policy moves from what it was trained on, and is outwitted in the end (Gao et al. 2022,
2210.10760). So in each iteration the newest policy samples, a grader says which replies are right,
a reward model learns from these pairs (Bradley and Terry), from the base each time; GRPO goes on
with the newest policy against that model, and the result is judged on fresh problems.

The loop ends at the last iteration, or at a plateau of the dev set: `patience` iterations in a row
whose candidate was not promoted, that is, brought no significant gain over the worn weights.

Departures: pairs come from a grader, where the paper has people compare. The paper trains a policy
anew in each round on all data so far; here it goes on, unless the newest one is significantly worse
than what is worn (see `Standing`). Left out: a measure of the reward model on replies that it has
not seen; what it was outwitted by shows in the parts of the reward, where the grade stands beside
the rating.
"""

from collections.abc import Iterator
from pathlib import Path

from cogitate.agents import Team
from cogitate.errors import ConfigError
from cogitate.graphs import ChainOfThought, SelfConsistency, Strategy
from cogitate.graphs.solve import wait_for
from cogitate.memory import RunStore
from cogitate.tasks import ProblemSet
from cogitate.training.described import described
from cogitate.training.harvest import harvest
from cogitate.training.loops.course import AS_GIVEN, Course
from cogitate.training.loops.digests import digest, digest_of_problems
from cogitate.training.loops.iterative_report import (
    GradedSamples,
    IterativeRLReport,
    IterativeRLSettings,
)
from cogitate.training.loops.kept_rows import keep_rows, kept_rows
from cogitate.training.loops.learn import Learned
from cogitate.training.loops.measured_rates import rates_with
from cogitate.training.loops.policy_rewards import PaidByModel
from cogitate.training.loops.policy_training import Episodes, TrainPolicy, train_policy
from cogitate.training.loops.progress import Progress, of_steps
from cogitate.training.loops.satori_trainers import TrainReward
from cogitate.training.loops.stages import Stage
from cogitate.training.loops.standing import Standing
from cogitate.training.loops.weights import Begins, as_policy, base_of, begins, wear, worn_by
from cogitate.training.rows import PreferenceRow
from cogitate.training.rows_from import problem_starts, rated_row
from cogitate.training.trainers.reward_model import train_reward_model

__all__ = ["IterativeRL"]

_ROLE = "generator"


@described(
    "iterative-rl",
    paper="Bai et al. 2022, arXiv:2204.05862",
    needs="problems with graders, and a policy that is right now and then",
    costs=(
        "an iteration: `samples` calls a problem, a reward model, GRPO against it, and a dev set "
        "answered twice"
    ),
    pays="where a rating tells more than a grade; with one alone `r1` is cheaper",
)
class IterativeRL:
    """Go on with RL against a reward model that is trained anew on what the policy writes now.

    Iterate over it. The same call goes on where an earlier one was stopped.

    Args:
        team: Who learns, and is judged; the words of its generator are trained.
        train: Problems to sample on.
        dev: Problems to judge on; each iteration has unseen ones of its own.
        output: The run directory.
        iterations: How often at most.
        strategy: How the team thinks in RL and when it is judged; `ChainOfThought()` by
            default, whose prompt is the one that replies are sampled from.
        base: The model whose weights are trained, and that the reward model is made of, where the
            team does not name it.
        settings: How.
        reward_model: Trains the reward model.
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
        iterations: int = 4,
        strategy: Strategy | None = None,
        base: str | None = None,
        settings: IterativeRLSettings | None = None,
        reward_model: TrainReward = train_reward_model,
        policy: TrainPolicy = train_policy,
        progress: Progress | None = None,
    ) -> None:
        self.settings = how = settings or IterativeRLSettings()
        self.base = Begins(base_of(team, _ROLE, base), worn_by(team, _ROLE))
        self.course = Course.begin(
            "iterative-rl",
            team=team,
            base=self.base.base,
            sampling=SelfConsistency(n=how.samples),
            strategy=strategy or ChainOfThought(),
            train=train,
            dev=dev,
            output=output,
            iterations=iterations,
            settings=how,
            progress=progress,
        )
        self._reward_model, self._policy = reward_model, policy

    def __iter__(self) -> Iterator[IterativeRLReport]:
        """Yield what each iteration came to; finished ones come from the stage log at once."""
        course, standing, without_gain = self.course, Standing(), 0
        with course.opened() as store:
            for i in range(1, course.iterations + 1):
                origin = standing.newest.get(_ROLE)
                sampled = self._sample(i, standing, store)
                rated = self._rate(i)
                learned = self._reinforce(i, origin)
                candidate = {_ROLE: course.log.folder(i) / "policy"}
                judged = course.judge(i, standing.worn, candidate, store)
                standing = standing.after(candidate, judged)
                without_gain = 0 if judged.promotion.promoted else without_gain + 1
                plateau = without_gain >= self.settings.patience
                yield IterativeRLReport(
                    iteration=i,
                    began=course.where(origin),
                    sampled=sampled,
                    reward_model=rated,
                    policy=learned,
                    judged=judged,
                    weights=course.told(standing.worn),
                    newest=course.where(standing.newest.get(_ROLE)),
                    without_gain=without_gain,
                    plateau=plateau,
                    sampled_tokens=course.log.of(i)["sample"].tokens,
                    seconds=course.seconds(i),
                )
                if plateau:
                    return

    def _sample(self, i: int, standing: Standing, store: RunStore) -> GradedSamples:
        """Have the newest policy reply, and pair what is right with what is wrong."""
        course, problems = self.course, self.course.rounds.train[i - 1]
        team = wear(course.team, standing.newest)

        def work(stage: Stage) -> GradedSamples:
            report = course.think(stage, team, problems, store, seed=self.settings.seed + i)
            compared = harvest(report).preferences(_ROLE)
            pairs = [rated_row(row) for row in compared]
            keep_rows(stage.output("pairs.jsonl"), pairs)
            rates = wait_for(rates_with((e.graph for e in report.episodes), before={})).values()
            return GradedSamples(
                problems=len(problems),
                replies=sum(rate.samples for rate in rates),
                right=sum(rate.right for rate in rates),
                pairs=len(pairs),
                dropped=dict(compared.counts),
            )

        inputs = {"problems": digest_of_problems(problems), **course.inputs(standing.newest)}
        return course.log.stage("sample", GradedSamples, work, iteration=i, inputs=inputs)

    def _rate(self, i: int) -> Learned:
        """Train the reward model anew, on the pairs of the newest iterations."""
        course = self.course
        first = max(1, i + 1 - self.settings.window)
        files = [course.log.folder(k) / "pairs.jsonl" for k in range(first, i + 1)]

        def work(stage: Stage) -> Learned:
            pairs = [row for file in files for row in kept_rows(file, PreferenceRow)]
            if not pairs:
                raise ConfigError(
                    "no problem has both a right and a wrong reply, so there is nothing to rate "
                    "by: give harder or easier problems, more samples, or a larger window"
                )
            with course.training():
                found = self._reward_model(
                    pairs,
                    self.base.base,
                    stage.output("reward-model"),
                    self.settings.reward_model,
                    on_step=of_steps(course.progress, f"{i}: reward model"),
                )
            return Learned.of(found)

        inputs = {f"pairs {file.parent.name}": digest(file) for file in files}
        return course.log.stage("reward-model", Learned, work, iteration=i, inputs=inputs)

    def _reinforce(self, i: int, origin: Path | None) -> Learned:
        """RL of the newest policy against the reward model of this iteration."""
        course, how = self.course, self.settings
        problems, rater = course.rounds.train[i - 1], course.log.folder(i) / "reward-model"
        begun = self.base if origin is None else begins(self.base.base, origin)

        def work(stage: Stage) -> Learned:
            with course.training():
                found = self._policy(
                    problem_starts(problems),
                    Episodes(
                        policy=as_policy(course.team, _ROLE, temperature=how.grpo.temperature),
                        strategy=course.strategy,
                        reward=PaidByModel(rater, how.grader),
                        problems={problem.id: problem for problem in problems},
                        seed=how.seed + i,
                    ),
                    begun.base,
                    stage.output("policy"),
                    how.grpo,
                    start=begun.adapter,
                    on_step=of_steps(course.progress, f"{i}: reinforce"),
                )
            return Learned.of(found, outcome_weight=self.settings.grader)

        inputs = {
            "problems": digest_of_problems(problems),
            "reward model": digest(rater),
            "weights": AS_GIVEN if origin is None else digest(origin),
        }
        return course.log.stage("reinforce", Learned, work, iteration=i, inputs=inputs)
