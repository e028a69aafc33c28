"""Satori: a model learns to reflect and to explore in one chain (Shen et al. 2025, 2502.02508).

Once: the base gets the tokens of meta-actions, agents (generator, critic, verifier) make chains,
and the base is tuned on the format of the right ones. Then, in each iteration: the policy samples
chains; an outcome model learns from its own right and wrong ones (Bradley and Terry, with margin);
GRPO or PPO goes on from the problems and from restarts after right and wrong trajectories; the
result is judged on fresh problems. Between iterations the hardest problems are distilled: chains
of the trained policy on them teach the base anew, which is how the paper leaves a local optimum.

Departures: the paper optimises by PPO, which `SatoriSettings(ppo=PPOSettings())` does; the default
is GRPO. Its outcome model starts from other weights, here from the policy. Weights are worn only
after a significant gain; the distilled policy is where the next iteration starts, and is worn no
sooner than that.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cogitate.agents import Team
from cogitate.errors import ConfigError
from cogitate.graphs import ChainOfActionThought, Report, Strategy
from cogitate.graphs.solve import wait_for
from cogitate.memory import RunStore
from cogitate.tasks import ProblemSet
from cogitate.training.coat_chains import after_mistakes, choose_chains
from cogitate.training.described import described
from cogitate.training.harvest import harvest
from cogitate.training.loops.course import AS_GIVEN, Course
from cogitate.training.loops.digests import digest, digest_of_problems
from cogitate.training.loops.judge import Judged
from cogitate.training.loops.kept_rows import keep_rows, kept_rows
from cogitate.training.loops.learn import Learned
from cogitate.training.loops.measured_rates import rates_with
from cogitate.training.loops.progress import Progress, of_steps
from cogitate.training.loops.reinforce import Paid
from cogitate.training.loops.satori_report import (
    Chosen,
    Made,
    SampledChains,
    SatoriReport,
    SatoriSettings,
)
from cogitate.training.loops.satori_trainers import SatoriTrainers
from cogitate.training.loops.stages import Stage, StageRecord
from cogitate.training.loops.token_chains import TokenChains, forms_of
from cogitate.training.restarts import choose_starts, read_rates
from cogitate.training.rows import PreferenceRow, PromptRow, SFTRow
from cogitate.training.rows_from import rated_row
from cogitate.training.trainers.adapters import LoRA
from cogitate.training.trainers.sampling import CurrentWeights

__all__ = ["Satori"]

_ROLE = "generator"
_MAKES = ("tokens", "chains", "distil", "format")
"""The stages after which there is a policy to start with."""


class _State(NamedTuple):
    """What one iteration hands to the next."""

    begins: Path
    """The policy that it starts with."""
    chains: Path
    """The rows that this one was tuned on."""
    made: Chosen
    form: Learned
    worn: Path | None = None
    """The last promoted policy."""


@described(
    "satori",
    paper="Shen et al. 2025, arXiv:2502.02508",
    needs="problems with graders, a base, and agents that make the first chains",
    costs=(
        "once new tokens and an SFT; an iteration: chains, an outcome model, GRPO from "
        "restarts, and a dev set answered twice"
    ),
    pays="where one model shall reflect by itself; the dearest loop",
)
class Satori:
    """Learn to reflect and to explore in one chain: by format, then by reward from restarts.

    Iterate over it. The same call goes on where an earlier one was stopped.

    Args:
        policy: Makes the team around the model that learns; its agents sample at the temperature of
            `settings.policy`.
        base: That model: its name or its folder.
        agents: Who makes chains before the model can: a generator, a critic and a verifier.
        train: Problems to sample on.
        dev: Problems to judge on; each iteration has unseen ones of its own.
        output: The run directory.
        iterations: How often.
        synthesis: How the agents make chains.
        settings: How.
        trainers: Who trains.
        progress: Hears of every stage as it goes.

    Raises:
        ConfigError: Too few problems, a run directory of another loop, or settings that do not fit.
    """

    def __init__(
        self,
        policy: Callable[[CurrentWeights], Team],
        *,
        base: str,
        agents: Team,
        train: ProblemSet,
        dev: ProblemSet,
        output: str | Path,
        iterations: int = 2,
        synthesis: ChainOfActionThought | None = None,
        settings: SatoriSettings | None = None,
        trainers: SatoriTrainers | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.settings = how = settings or SatoriSettings()
        self.base = base = base if base.startswith("hf/") else f"hf/{base}"
        self.trainers = trainers or SatoriTrainers()
        adapter = how.grpo.adapter
        if how.ppo is None and not (isinstance(adapter, LoRA) and adapter.bits is None):
            raise ConfigError("the policy is merged into its base: train LoRA() by GRPO")
        synthesis = synthesis or ChainOfActionThought()
        if synthesis.mode != "agents":
            raise ConfigError("the base has no tokens yet: synthesis needs mode='agents'")
        self._policy = policy
        self.course = Course.begin(
            "satori",
            team=self._team(None),
            first=agents,
            base=base,
            sampling=synthesis,
            strategy=ChainOfActionThought(mode="tokens"),
            train=train,
            dev=dev,
            output=output,
            iterations=iterations,
            settings=how,
            progress=progress,
        )

    def __iter__(self) -> Iterator[SatoriReport]:
        """Yield what each iteration came to; finished ones come from the stage log at once."""
        course = self.course
        with course.opened() as store:
            state = self._begin(store)
            for i in range(1, course.iterations + 1):
                sampled = self._sample(i, state, store)
                orm = self._rate(i, state) if self.settings.rated else None
                learned = self._reinforce(i, state)
                candidate = course.log.folder(i) / "policy"
                judged = self._judge(i, state.worn, candidate, store)
                worn = candidate if judged.promotion.promoted else state.worn
                yield SatoriReport(
                    iteration=i,
                    problems=sampled.problems,
                    chains=state.made.counts,
                    form=state.form,
                    forms=sampled.forms,
                    pairs=sampled.pairs,
                    starts=sampled.starts,
                    orm=orm,
                    policy=learned,
                    steps=tuple(read_rates(course.log.folder(i) / "reflections.jsonl")),
                    judged=judged,
                    weights=course.where(worn),
                    sampled_tokens=sum(one.tokens for one in self._stages(i, "judge")),
                    seconds=sum(one.seconds for one in self._stages(i)),
                )
                if i < course.iterations:
                    state = self._distil(i, sampled, state, worn, store)

    def _begin(self, store: RunStore) -> _State:
        """Give the base its tokens, have agents make chains, and tune the format on them."""
        course, log, trainers = self.course, self.course.log, self.trainers

        def tokens(stage: Stage) -> Made:
            trainers.tokens(self.base, stage.output("base"))
            return Made()

        def chains(stage: Stage) -> Chosen:
            reports = [
                self._think(stage, course.first, course.sampling, course.train, s, store)
                for s in range(self.settings.agents)
            ]
            return self._keep(stage, reports, [])

        log.stage("tokens", Made, tokens)
        made = log.stage("chains", Chosen, chains)
        return self._tuned(0, log.folder(0) / "chains.jsonl", made, None)

    def _tuned(self, i: int, chains: Path, made: Chosen, worn: Path | None) -> _State:
        """Tune the base on chains: where the next iteration starts."""
        base = self.course.log.folder(0) / "base"

        def work(stage: Stage) -> Learned:
            rows = kept_rows(chains, SFTRow)
            if not self.settings.mistakes:
                rows = [after_mistakes(row) for row in rows]
            with self.course.training():
                found = self.trainers.form(
                    rows,
                    str(base),
                    stage.output("tuned"),
                    self.settings.sft,
                    on_step=of_steps(self.course.progress, f"{i}: format"),
                )
            return Learned.of(found)

        inputs = {"chains": digest(chains), "base": digest(base)}
        form = self.course.log.stage("format", Learned, work, iteration=i, inputs=inputs)
        return _State(self.course.log.folder(i) / "tuned", chains, made, form, worn)

    def _keep(self, stage: Stage, reports: Sequence[Report], before: Sequence[SFTRow]) -> Chosen:
        """Choose among right chains, the new ones before those of before, and write them."""
        new = [row for one in reports for row in harvest(one).coat(plain=True)]
        found = choose_chains([*new, *before], self.settings.choice)
        if not found.rows:
            raise ConfigError(
                f"no chain to tune the format on ({found.counts}): give easier problems, or agents "
                "that are right more often"
            )
        keep_rows(stage.output("chains.jsonl"), found.rows)
        return Chosen(counts=found.counts)

    def _sample(self, i: int, state: _State, store: RunStore) -> SampledChains:
        how, problems = self.settings, self.course.rounds.train[i - 1]

        def work(stage: Stage) -> SampledChains:
            chains = TokenChains(how.samples)
            report = self._think(stage, self._team(state.begins), chains, problems, i, store)
            graphs = [episode.graph for episode in report.episodes]
            found = harvest(report)
            compared = found.preferences(_ROLE)
            pairs = [rated_row(row) for row in compared]
            starts = choose_starts(
                found.prompts(back=how.back), restarts=how.restarts, seed=how.seed + i
            )
            keep_rows(stage.output("pairs.jsonl"), pairs)
            keep_rows(stage.output("starts.jsonl"), starts.rows)
            return SampledChains(
                problems=len(problems),
                forms=forms_of(graphs),
                pairs=len(pairs),
                starts=starts.counts,
                rates=wait_for(rates_with(graphs, before={})),
                dropped=dict(compared.counts),
            )

        inputs = {"problems": digest_of_problems(problems), "policy": digest(state.begins)}
        return self.course.log.stage("sample", SampledChains, work, iteration=i, inputs=inputs)

    def _rate(self, i: int, state: _State) -> Learned:
        """Train the outcome model."""
        folder = self.course.log.folder(i)

        def work(stage: Stage) -> Learned:
            pairs = kept_rows(folder / "pairs.jsonl", PreferenceRow)
            if not pairs:
                raise ConfigError(
                    "no problem has both a right and a wrong chain, so there is nothing to rate "
                    "by: give harder or easier problems, or more samples"
                )
            with self.course.training():
                trained = self.trainers.reward(
                    pairs,
                    str(state.begins),
                    stage.output("orm"),
                    self.settings.orm,
                    on_step=of_steps(self.course.progress, f"{i}: outcome model"),
                )
            return Learned.of(trained)

        inputs = {"pairs": digest(folder / "pairs.jsonl"), "policy": digest(state.begins)}
        return self.course.log.stage("orm", Learned, work, iteration=i, inputs=inputs)

    def _reinforce(self, i: int, state: _State) -> Learned:
        folder, how = self.course.log.folder(i), self.settings
        orm = folder / "orm" if how.rated else None
        problems = {one.id: one for one in self.course.rounds.train[i - 1]}

        def work(stage: Stage) -> Learned:
            with self.course.training():
                trained = self.trainers.policy(
                    kept_rows(folder / "starts.jsonl", PromptRow),
                    self._policy,
                    str(state.begins),
                    stage.output("policy"),
                    how.policy,
                    Paid(orm, problems, how.beta),
                    record=stage.output("reflections.jsonl"),
                    seed=how.seed,
                    on_step=of_steps(self.course.progress, f"{i}: reinforce"),
                )
            return Learned.of(trained)

        inputs = {
            "starts": digest(folder / "starts.jsonl"),
            "policy": digest(state.begins),
        }
        if orm:
            inputs["orm"] = digest(orm)
        return self.course.log.stage("reinforce", Learned, work, iteration=i, inputs=inputs)

    def _judge(self, i: int, old: Path | None, new: Path, store: RunStore) -> Judged:
        course = self.course
        return course.judge_teams(
            i,
            self._team(old),
            self._team(new),
            store,
            names=(course.where(old), course.called(i)),
            inputs={"old": AS_GIVEN if old is None else digest(old), "new": digest(new)},
        )

    def _distil(
        self, i: int, sampled: SampledChains, state: _State, worn: Path | None, store: RunStore
    ) -> _State:
        """Tune the base on what the trained policy makes of the hardest problems."""
        teacher = worn or state.begins
        problems = self.course.rounds.train[i - 1]
        hard = [
            problem
            for problem in problems
            if (rate := sampled.rates.get(problem.id)) and rate.share <= self.settings.hard
        ]
        hardest = ProblemSet(f"{problems.name} (hard)", hard, examples=problems.examples)

        def work(stage: Stage) -> Chosen:
            chains = TokenChains(self.settings.samples)
            reports = (
                [self._think(stage, self._team(teacher), chains, hardest, 1000 + i, store)]
                if hard
                else []
            )
            return self._keep(stage, reports, kept_rows(state.chains, SFTRow))

        inputs = {
            "problems": digest_of_problems(hardest),
            "teacher": digest(teacher),
            "chains": digest(state.chains),
        }
        made = self.course.log.stage("distil", Chosen, work, iteration=i, inputs=inputs)
        return self._tuned(i, self.course.log.folder(i) / "chains.jsonl", made, worn)

    def _think(
        self,
        stage: Stage,
        team: Team,
        strategy: Strategy,
        problems: ProblemSet,
        seed: int,
        store: RunStore,
    ) -> Report:
        """Sample on problems; no engine stays open, for nearly each stage has another model."""
        course, seed = self.course, self.settings.seed * 1_000_003 + seed
        try:
            return course.think(stage, team, problems, store, seed=seed, strategy=strategy)
        finally:
            wait_for(course.engines.close())

    def _stages(self, i: int, *but: str) -> list[StageRecord]:
        """The stages of an iteration, and those before it that made its starting policy."""
        before, own = self.course.log.of(i - 1), self.course.log.of(i)
        made = [before[name] for name in _MAKES if name in before]
        return [*made, *(own[name] for name in own if name not in (*_MAKES, *but))]

    def _team(self, folder: Path | None) -> Team:
        base = self.base if folder is None else f"hf/{folder}"
        return self._policy(CurrentWeights(base, None, 0))
