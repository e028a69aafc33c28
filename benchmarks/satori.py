"""Satori on the embedded model: what format tuning gives, and whether restarts teach to reflect.

    python benchmarks/satori.py                                       all stages, about five hours
    python benchmarks/satori.py --until forms                         format tuning alone
    python benchmarks/satori.py --size short                          to see that it runs
    python benchmarks/satori.py --size gpu                            more RL, for a GPU
    python benchmarks/satori.py --until reinforce --arms restarts     one training, beside the other

Asked is which of a few people does something, as one of the statements before the question says: a
small model can learn to look an answer up again, which is what a reflection is for. It learns the
task first, by one iteration of STaR. Then agents make chains: the generator tries, the critic says
in its own words what is wrong, and the generator tries anew. Who is wrong the grader says: it
chooses what is imitated, as in rejection sampling. The taught model is tuned on the right chains,
and what it then writes is counted on fresh problems; no word of it is a template's. Reinforcement
learning goes on from there twice, with restarts and without, for as many replies. It begins where
the tuned policy is right now and then: at problems with right and wrong chains, and at restart
states with right and wrong continuations. The tuned policy writes restart states on problems that
nothing was trained on. It and both trained policies go on from each of them several times: how
often is a wrong beginning mended, and a right one spoilt?

Everything is kept in runs/satori-SIZE/, and the same command goes on where it was stopped.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from reflection.agents import ASK, QUESTIONS, agents

import cogitate as cg
from cogitate import training
from cogitate.agents import Brief
from cogitate.graphs.coat_text import CHAIN
from cogitate.inference import Message
from cogitate.memory import RunStore
from cogitate.tasks import ProblemSet
from cogitate.training.coat_chains import ChainChoice, after_mistakes, choose_chains
from cogitate.training.coat_tokens import add_coat_tokens, tune_format
from cogitate.training.intervals import clustered_interval
from cogitate.training.loops.kept_rows import keep_rows, kept_rows
from cogitate.training.loops.reinforce import Paid, reinforce
from cogitate.training.loops.token_chains import TokenChains, forms_of, own_reflections
from cogitate.training.restarts import ReflectRates, choose_starts, read_rates, sum_of_rates
from cogitate.training.rewards import OutcomeReward
from cogitate.training.rows import PreferenceRow, PromptRow, SFTRow
from cogitate.training.rows_from.asked import Credits
from cogitate.training.rows_from.starts import prompt_rows
from cogitate.training.trainers.merge import merge
from cogitate.training.trainers.policy import Schedule

MODEL = "hf/smollm2-135m"
TEST = 5_000_000
STAGES = (
    "star",
    "chains",
    "format",
    "forms",
    "sample",
    "choose",
    "orm",
    "states",
    "reinforce",
    "measure",
)
ARMS = ("restarts", "alone")
"""Trainings that begin at the problems and at restart states, and at the problems alone."""
TEMPERATURE = 0.8
_PART = 120
"""States that are measured before they are written down."""
PRECISION: Literal["bfloat16"] = "bfloat16"


class Size(NamedTuple):
    """How much of everything."""

    star: int = 200
    """Problems that the model learns the task from, before repeated ones go."""
    star_epochs: int = 3
    train: int = 300
    """Problems of the chains of agents."""
    rounds: int = 3
    """Chains of agents for each of them."""
    epochs: int = 4
    test: int = 480
    """Fresh problems, before those that were seen go."""
    problems: int = 240
    """Sampled on for reinforcement learning."""
    samples: int = 8
    """Chains of each of these."""
    orm: int = 60
    """Steps of the outcome model."""
    steps: int = 144
    """Of each training."""
    replies: int = 32
    """Sampled for each step."""
    group: int = 8
    """Of them go on from one start."""
    again: int = 4
    """Continuations of each restart state; of a problem, one."""
    rows: int = 8
    """Of a step's replies, in each pass of the policy."""
    learning_rate: float = 3e-4
    """Of GRPO."""
    concurrency: int = 48
    """Chains under way at the same moment."""


SIZES = {
    "short": Size(
        star=60,
        star_epochs=16,
        train=120,
        rounds=1,
        epochs=20,
        test=40,
        problems=40,
        orm=2,
        steps=2,
        replies=8,
        group=4,
        again=1,
    ),
    "laptop": Size(),
    "gpu": Size(test=2_000, problems=1_000, orm=120, replies=128, rows=128, concurrency=256),
}
"""To see that it runs; two cores; a GPU."""


def distinct(size: int, seed: int) -> ProblemSet:
    loaded = cg.tasks.load(f"{QUESTIONS}&size={size}&seed={seed}")
    texts = {problem.prompt: problem for problem in loaded}
    return ProblemSet(loaded.name, list(texts.values()), examples=loaded.examples)


def policy(weights: training.CurrentWeights) -> cg.Team:
    return cg.Team(
        cg.Generator(
            weights.model,
            adapter=weights.adapter,
            prompts={CHAIN: ASK},
            temperature=TEMPERATURE,
            max_tokens=96,
            examples=0,
        )
    )


def whole(folder: Path) -> cg.Team:
    return policy(training.CurrentWeights(f"hf/{folder}", None, 0))


class _Measurement:
    """The stages; each leaves a record in a file of its name, and is done once."""

    def __init__(self, chosen: argparse.Namespace, folder: Path, store: RunStore) -> None:
        self.size = SIZES[chosen.size]
        self.folder, self.store = folder, store
        self.adapter = folder / "star" / "1" / "generator"
        self.method: str = chosen.method
        self.rated: bool = chosen.orm
        self.arms: Sequence[str] = chosen.arms
        self.first, self.dev = distinct(self.size.star, 1_000), distinct(120, 500_000)
        self.train = distinct(self.size.train, 1_000)
        self.fresh = distinct(self.size.problems, 200_000)
        loaded = distinct(self.size.test, TEST)
        seen = [*self.first, *self.dev, *self.train, *self.fresh, *loaded.examples]
        self.test = training.unseen(loaded, than=seen)

    def once(self, name: str, work: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        path = self.folder / f"{name}.json"
        if not path.exists():
            started = time.perf_counter()
            found = dict(work()) | {"seconds": round(time.perf_counter() - started)}
            path.write_text(json.dumps(found, indent=1) + "\n")
            print(f"{name}: {found}"[:600], file=sys.stderr, flush=True)
        kept: dict[str, Any] = json.loads(path.read_text())
        return kept

    def run(
        self,
        name: str,
        problems: ProblemSet,
        team: cg.Team,
        strategy: Any,
        seed: int,
        store: RunStore | None = None,
    ) -> cg.graphs.Report:
        done = 0

        def step(_: object) -> None:
            nonlocal done
            done += 1
            show(name, done, len(problems))

        return cg.run(
            problems,
            team,
            strategy,
            seed=seed,
            concurrency=self.size.concurrency,
            store=store or self.store,
            on_episode=step,
        )

    def star(self) -> Mapping[str, Any]:
        """Teach the model the task, or it is hardly ever right; the first replies see examples."""
        how = training.Optimisation(precision=PRECISION, batch_size=8, epochs=self.size.star_epochs)
        settings = training.STaRSettings(
            samples=8,
            per_problem=2,
            sft=training.SFTSettings(optimisation=how),
            concurrency=self.size.concurrency,
        )
        [report] = training.STaR(
            cg.Team.of(MODEL, max_tokens=32, examples=0),
            first=cg.Team.of(MODEL, max_tokens=32, temperature=0.5, examples=2),
            train=self.first,
            dev=self.dev,
            output=self.folder / "star",
            iterations=1,
            settings=settings,
            progress=show,
        )
        return {"report": str(report)}

    def chains(self) -> Mapping[str, Any]:
        rows: list[SFTRow] = []
        with RunStore(self.folder / "chains.db") as store:
            for i in range(self.size.rounds):
                team, coat = agents(MODEL, str(self.adapter), i), cg.ChainOfActionThought()
                report = self.run(f"chains {i + 1}", self.train, team, coat, i, store)
                rows += training.harvest(report).coat(plain=True)
        found = choose_chains(rows, ChainChoice(per_wording=8, plain=(0.5, 0.5)))
        asked = [
            row.model_copy(update={"messages": ASK(Brief(row.question), ())}) for row in found.rows
        ]
        keep_rows(self.folder / "chains.jsonl", asked)
        return {"counts": found.counts, "some": [row.completion for row in found.rows[:12]]}

    def format(self) -> Mapping[str, Any]:
        begin = merge(MODEL, self.adapter, self.folder / "begin")
        base = add_coat_tokens(str(begin), self.folder / "base")
        how = training.Optimisation(precision=PRECISION, epochs=self.size.epochs)
        rows = [after_mistakes(row) for row in kept_rows(self.folder / "chains.jsonl", SFTRow)]
        trained = tune_format(
            rows,
            str(base),
            self.folder / "tuned",
            training.SFTSettings(optimisation=how),
            on_step=partial(show, "format"),
        )
        return {"rows": trained.rows, "steps": trained.steps, "losses": trained.losses[::10]}

    def forms(self) -> Mapping[str, Any]:
        tuned = whole(self.folder / "tuned")
        report = self.run("forms", self.test, tuned, TokenChains(1), 5)
        episodes = list(report.episodes)
        outcomes = [training.Outcome.of(one) for one in episodes]
        forms = forms_of([one.graph for one in episodes])
        replies = [
            thought.text
            for one in episodes[:12]
            for thought in one.graph.children(one.graph.root)
            if thought.operation == CHAIN
        ]
        return forms.model_dump() | {
            "right": sum(bool(one.correct) for one in outcomes),
            "tokens": report.usage.completion,
            "some": replies,
        }

    def sample(self) -> Mapping[str, Any]:
        tuned = whole(self.folder / "tuned")
        report = self.run("sample", self.fresh, tuned, TokenChains(self.size.samples), 6)
        harvest = training.harvest(report)
        pairs = [
            row.model_copy(
                update={"messages": (Message("user", row.question),), "prompt_ids": None}
            )
            for row in harvest.preferences("generator")
        ]
        if not pairs:
            raise SystemExit("no problem has a right and a wrong chain: tune on more chains")
        starts = choose_starts(harvest.prompts())
        keep_rows(self.folder / "pairs.jsonl", pairs)
        keep_rows(self.folder / "sampled.jsonl", starts.rows)
        return {"pairs": len(pairs), "tokens": report.usage.completion, "starts": starts.counts}

    def choose(self) -> Mapping[str, Any]:
        """Leave starts from which the tuned policy is always right, or never: see `Curriculum`."""
        sampled = kept_rows(self.folder / "sampled.jsonl", PromptRow)
        pairs = kept_rows(self.folder / "pairs.jsonl", PreferenceRow)
        paired = {pair.problem for pair in pairs}  # with right and wrong chains
        starts = [start for start in sampled if start.problem in paired]
        problems = [start for start in starts if start.began == "problem"]
        restarts = [start for start in starts if start.began != "problem"]
        many = self.size.group
        right = self.go_on(self.folder / "tuned", restarts, self.fresh, many)
        mixed = [one for one, n in zip(restarts, right, strict=True) if 0 < n < many]
        for arm, rows in zip(ARMS, ([*problems, *mixed], problems), strict=True):
            if not rows:
                raise SystemExit("no start is left: sample on more problems")
            random.Random(0).shuffle(rows)
            keep_rows(self.folder / f"starts {arm}.jsonl", rows)
        return {"starts": len(sampled), "kept": Counter(one.began for one in (*problems, *mixed))}

    def orm(self) -> Mapping[str, Any]:
        how = training.Optimisation(
            precision=PRECISION, learning_rate=1e-4, max_steps=self.size.orm, batch_size=8
        )
        trained = training.train_reward_model(
            kept_rows(self.folder / "pairs.jsonl", PreferenceRow),
            str(self.folder / "tuned"),
            self.folder / "orm",
            training.RewardModelSettings(optimisation=how, margin=1.0),
            on_step=partial(show, "orm"),
        )
        return {"steps": trained.steps, "losses": trained.losses[::10]}

    def learn(self, arm: str) -> Mapping[str, Any]:
        record = self.folder / f"reflections {arm}.jsonl"
        problems = {problem.id: problem for problem in self.fresh}
        trained = reinforce(
            kept_rows(self.folder / f"starts {arm}.jsonl", PromptRow),
            policy,
            str(self.folder / "tuned"),
            self.folder / arm,
            self.settings(),
            Paid(self.folder / "orm" if self.rated else None, problems),
            record=record,
            seed=0,
            on_step=partial(show, arm),
        )
        rates = read_rates(record)
        half = len(rates) // 2
        return {
            "steps": trained.steps,
            "tokens": sum_of_rates(rates).tokens,
            "first half": str(sum_of_rates(rates[:half])),
            "last half": str(sum_of_rates(rates[half:])),
            "counts": trained.counts,
            "metrics": trained.metrics,
        }

    def settings(self) -> training.GRPOSettings | training.PPOSettings:
        if self.method == "ppo":
            schedule = Schedule(
                steps=self.size.steps,
                prompts=self.size.replies,
                minibatches=2,
                learning_rate=1e-4,
                value_learning_rate=1e-3,
                temperature=TEMPERATURE,
            )
            return training.PPOSettings(schedule=schedule)
        how = training.Optimisation(
            precision=PRECISION,
            learning_rate=self.size.learning_rate,
            schedule="constant_with_warmup",
            max_steps=self.size.steps,
            batch_size=min(self.size.rows, self.size.replies),
            accumulate=max(1, self.size.replies // self.size.rows),
            save_steps=5,
        )
        return training.GRPOSettings(
            optimisation=how,
            variant="dr_grpo",
            group=self.size.group,
            max_tokens=96,
            temperature=TEMPERATURE,
        )

    def reinforce(self) -> None:
        for arm in self.arms:
            self.once(f"learned {arm}", partial(self.learn, arm))

    def states(self) -> Mapping[str, Any]:
        """What the tuned policy wrote on the test problems, backed up: the same for all."""
        tuned = whole(self.folder / "tuned")
        report = self.run("states", self.test, tuned, TokenChains(4), 7)
        graphs = [episode.graph for episode in report.episodes]
        training.grade(graphs)  # a harvest refuses problems that are kept for measuring
        found = [Credits(graph.problem, graph, worth={}) for graph in graphs]
        kinds: Final = ("problem", "restarts")
        rows = [row for one in found for row in prompt_rows(one, Counter(), starts=kinds, back=2)]
        starts = choose_starts(rows, seed=8)
        keep_rows(self.folder / "states.jsonl", starts.rows)
        return {"counts": starts.counts}

    def measure(self) -> None:
        states = kept_rows(self.folder / "states.jsonl", PromptRow)
        for name in ("tuned", *self.arms):
            self.once(f"measured {name}", partial(self.rates, self.folder / name, states))
            self.once(f"own {name}", partial(self.own, self.folder / name))

    def own(self, folder: Path) -> Mapping[str, Any]:
        """What a policy's own reflections do to its answers, in a chain of each problem."""
        report = self.run(f"own {folder.name}", self.test, whole(folder), TokenChains(1), 10)
        graphs = [episode.graph for episode in report.episodes]
        training.grade(graphs)
        return own_reflections(graphs).model_dump()

    def rates(self, folder: Path, states: Sequence[PromptRow]) -> Mapping[str, Any]:
        again = {"right": self.size.again, "wrong": self.size.again, "problem": 1}
        right: dict[str, dict[str, int]] = {began: {} for began in again}
        for began, many in again.items():
            some = [state for state in states if state.began == began]
            for at in range(0, len(some), _PART):
                part = some[at : at + _PART]
                work = partial(self.part, folder, part, many)
                found = self.once(f"part {folder.name} {began} {at}", work)
                right[began] |= zip((state.problem for state in part), found["right"], strict=True)
        return {"again": again, "right": right}

    def part(self, folder: Path, states: Sequence[PromptRow], many: int) -> Mapping[str, Any]:
        return {"right": self.go_on(folder, states, self.test, many)}

    def go_on(
        self, folder: Path, states: Sequence[PromptRow], of: ProblemSet, many: int
    ) -> list[int]:
        """Go on from each state so many times, and count how often the end is right."""
        sampler = training.StrategySampler(
            team=policy,
            strategy=cg.ChainOfActionThought(mode="tokens"),
            reward=OutcomeReward(),
            problems={problem.id: problem for problem in of},
            seed=9,
        )

        async def sample() -> Sequence[training.Rollout]:
            starts = [state for state in states for _ in range(many)]
            try:
                return await sampler(starts, training.CurrentWeights(f"hf/{folder}", None, 0))
            finally:
                await sampler.close()

        rewards = [one.reward or 0.0 for one in asyncio.run(sample())]
        return [round(sum(rewards[i : i + many])) for i in range(0, len(rewards), many)]

    def report(self) -> None:
        """Print what there is."""
        found = {path.stem: json.loads(path.read_text()) for path in self.folder.glob("*.json")}
        print(found["star"]["report"])
        if "chains" in found:
            print("chains of agents:", found["chains"]["counts"])
        if "forms" in found:
            said = found["forms"]
            for what in ("formed", "reflecting", "right"):
                low, high = training.wilson(said[what], said["replies"])
                share = said[what] / said["replies"]
                print(f"{what}: {share:.1%} of {said['replies']} ({low:.1%} to {high:.1%})")
            print(f"{said['wordings']} wordings of reflections; {said['seconds']} s")
        for arm in ARMS:
            if one := found.get(f"learned {arm}"):
                print(f"{arm}: {one['steps']} steps, {one['tokens']} tokens, {one['seconds']} s")
        tell_rates(found)


def tell_rates(found: Mapping[str, dict[str, Any]]) -> None:
    names = ("tuned", *ARMS)
    measured = {name: found[f"measured {name}"] for name in names if f"measured {name}" in found}
    for began, what in (("problem", "solved"), ("wrong", "mended"), ("right", "spoilt")):
        for name, one in measured.items():
            print(f"{what} by {name}: {rate(one, began)}")
        if len(measured) == len(names):
            for name in (ARMS[1], "tuned"):
                one, other = (scores(measured[n], began) for n in (name, ARMS[0]))
                print(f"  {ARMS[0]} against {name}: {training.compare(one, other)}")
    for name in names:
        if own := found.get(f"own {name}"):
            rates = ReflectRates(**{key: n for key, n in own.items() if key != "seconds"})
            print(f"own reflections of {name}: {rates}")


def scores(measured: Mapping[str, Any], began: str) -> dict[str, float]:
    """The share of continuations of each state that mend, or spoil, or solve."""
    many = measured["again"][began]
    return {
        problem: (many - right if began == "right" else right) / many
        for problem, right in measured["right"][began].items()
    }


def rate(measured: Mapping[str, Any], began: str) -> str:
    shares, many = scores(measured, began), measured["again"][began]
    if not shares:
        return "no such state"
    low, high = clustered_interval([(round(share * many), many) for share in shares.values()])
    mean = sum(shares.values()) / len(shares)
    return f"{mean:.1%} ({low:.1%} to {high:.1%}) of {len(shares)} states, {many} times each"


def show(stage: str, done: int, total: int) -> None:
    end = "\n" if done == total else "\r"
    if sys.stderr.isatty() or done == total:
        print(f"{stage}: {done}/{total}", end=end, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--orm", action="store_true", help="an outcome model's rating pays too")
    parser.add_argument("--method", choices=("grpo", "ppo"), default="grpo")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--output", help="a folder; runs/satori-SIZE by default")
    parser.add_argument("--size", choices=SIZES, default="laptop", help="short: for a look")
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1])
    chosen = parser.parse_args()
    folder = Path(chosen.output or f"runs/satori-{chosen.size}")
    folder.mkdir(parents=True, exist_ok=True)
    with RunStore(folder / "runs.db") as store:
        measurement = _Measurement(chosen, folder, store)
        for stage in STAGES[: STAGES.index(chosen.until) + 1]:
            if stage == "orm" and not chosen.orm:
                continue
            work = getattr(measurement, stage)  # stages are its methods
            if stage in ("reinforce", "measure"):
                work()
            else:
                measurement.once(stage, work)
        measurement.report()


if __name__ == "__main__":
    main()
