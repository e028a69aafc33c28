"""Reinforcement learning from our own rollouts: what it adds to a model that taught itself.

    python examples/improve.py                          the adapter that all of this begins with
    python benchmarks/reinforce.py grpo | ppo [--steps 25]
    python benchmarks/reinforce.py credit               process against outcome advantages
    python benchmarks/reinforce.py measure

GRPO and PPO start from the adapter of examples/improve.py and sample on problems that it never saw:
PPO on any, GRPO on those that it solved now and then in eight tries, for a group of which all are
right or all are wrong teaches nothing. `credit` takes these tries themselves and trains twice on
the very same rollouts: once with the grade of the whole reply for all of its tokens, once with
advantages of steps. A step is a line; it is right where
every equation in it holds, which a rule can tell of sums. Measured is greedily, on problems with
generator seeds from 1,000,000 on and texts that no training has seen.

Everything is kept in runs/reinforce/. A training that was stopped goes on.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

import cogitate as cg
from cogitate import training
from cogitate.inference.hf.encode import Encoder
from cogitate.inference.hf.locate import fetch
from cogitate.memory import RunStore
from cogitate.tasks import Problem, ProblemSet
from cogitate.training.rewards import OutcomeReward
from cogitate.training.rows import PromptRow
from cogitate.training.trainers import Schedule
from cogitate.training.trainers.background import Background

MODEL = "hf/smollm2-135m"
START = Path("runs/improve")
OUTPUT = Path("runs/reinforce")
SUMS = "reasoning_gym/chain_sum?min_terms=2&max_terms=3&min_digits=1&max_digits=2"
TRAIN, TEST = 200_000, 1_000_000
TRIED = 240
"""Problems, before repeated ones go, that are tried to find those solved now and then."""
TRAINED = ("grpo", "ppo", "outcome", "process")
TEMPERATURE = 1.0
TOKENS = 48
_EQUATION = re.compile(r"(-?\d+(?:\s*[-+]\s*\d+)+)\s*=\s*(-?\d+)")


def sums(size: int, seed: int) -> ProblemSet:
    return cg.tasks.load(f"{SUMS}&size={size}&seed={seed}")


def start() -> Path:
    """The adapter that everything begins with."""
    folder = START / "adapter-2"
    if not folder.is_dir():
        raise SystemExit("there is no adapter to begin with: run examples/improve.py")
    return folder


def starts(problems: Sequence[Problem]) -> list[PromptRow]:
    """Episodes that begin with the problem alone."""
    return [
        PromptRow(
            problem=problem.id,
            question=problem.prompt,
            role="generator",
            agent="generator",
            operation="generate",
            messages=(),
            thought="",
            reference=problem.reference,
            kind=problem.kind,
        )
        for problem in problems
    ]


def sampler(problems: Sequence[Problem], seed: int) -> training.StrategySampler:
    return training.StrategySampler(
        team=lambda now: cg.Team.of(
            now.model, adapter=now.adapter, temperature=TEMPERATURE, max_tokens=TOKENS, examples=0
        ),
        strategy=cg.ChainOfThought(),
        reward=OutcomeReward(),
        problems={problem.id: problem for problem in problems},
        seed=seed,
    )


def show(done: int, total: int) -> None:
    if sys.stderr.isatty() or done % 2 == 0:
        print(f"{done}/{total} steps", file=sys.stderr, flush=True)


def grpo_settings(steps: int, level: str = "outcome") -> training.GRPOSettings:
    how = training.Optimisation(
        learning_rate=1e-4,
        batch_size=8,
        accumulate=8,
        max_steps=steps,
        save_steps=5,
        warmup=0.1,
        schedule="constant_with_warmup",
        precision="bfloat16",
    )
    return training.GRPOSettings.model_validate(
        {
            "optimisation": how,
            "advantages": level,
            "temperature": TEMPERATURE,
            "max_tokens": TOKENS,
        }
    )


def grpo(steps: int) -> None:
    settings = grpo_settings(steps)
    began = time.perf_counter()
    problems = [problem for problem, _ in now_and_then(settings.group)]
    trained = training.train_grpo(
        starts(problems),
        sampler(problems, seed=1),
        MODEL,
        OUTPUT / "grpo",
        settings,
        start=start(),
        on_step=show,
    )
    print(f"{trained.counts}, {(time.perf_counter() - began) / 60:.1f} minutes")


def ppo(steps: int) -> None:
    schedule = Schedule(
        steps=steps,
        prompts=32,
        minibatches=2,
        learning_rate=1e-4,
        value_learning_rate=1e-3,
        temperature=TEMPERATURE,
        max_tokens=TOKENS,
    )
    settings = training.PPOSettings(schedule=schedule, replies=2, checkpoint_every=5)
    problems = list(sums(steps * schedule.prompts + 400, TRAIN))
    began = time.perf_counter()
    trained = training.train_ppo(
        starts(problems),
        sampler(problems, seed=1),
        MODEL,
        OUTPUT / "ppo",
        settings,
        start=start(),
        on_step=show,
    )
    print(f"{trained.counts}, {(time.perf_counter() - began) / 60:.1f} minutes")


def steps_of(text: str) -> list[float]:
    """Whether each line of a reply holds; the last line is the answer."""
    return [float(all(map(_holds, _EQUATION.findall(line)))) for line in text.splitlines()]


def _holds(equation: tuple[str, str]) -> bool:
    terms = re.findall(r"[-+]?\d+", equation[0].replace(" ", ""))
    return sum(map(int, terms)) == int(equation[1])


class Replay:
    """Gives rollouts again that were sampled once."""

    def __init__(self, rollouts: Sequence[training.Rollout]) -> None:
        self._rollouts, self._next = list(rollouts), 0

    async def __call__(
        self, starts: Sequence[PromptRow], weights: training.CurrentWeights
    ) -> Sequence[training.Rollout]:
        """Return the next ones, whatever was asked."""
        self._next += len(starts)
        return self._rollouts[self._next - len(starts) : self._next]

    async def close(self) -> None:
        """Nothing is open."""


def credit() -> None:
    tries = now_and_then(grpo_settings(1).group)
    steps = len(tries) // grpo_settings(1).starts_at_once
    tries = tries[: steps * grpo_settings(1).starts_at_once]
    for level in ("outcome", "process"):
        trained = training.train_grpo(
            starts([problem for problem, _ in tries]),
            Replay([one for _, group in tries for one in group]),
            MODEL,
            OUTPUT / level,
            grpo_settings(steps, level),
            start=start(),
            on_step=show,
        )
        print(level, dict(trained.counts))


def now_and_then(group: int) -> list[tuple[Problem, list[training.Rollout]]]:
    """Problems that the first adapter solves in some of its tries, with these tries."""
    problems = list(sums(TRIED, TRAIN + 50_000))
    path, kind = OUTPUT / "tries.json", TypeAdapter(list[training.Rollout])
    if not path.exists():
        weights = training.CurrentWeights(MODEL, str(start()), 0)
        made = sampler(problems, seed=2)
        with Background() as loop:
            asked = [row for row in starts(problems) for _ in range(group)]
            found = list(loop.run(made(asked, weights)))
            loop.run(made.close())
        encoder = Encoder(fetch(MODEL.removeprefix("hf/")))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(kind.dump_json([with_steps(one, encoder) for one in found]))
    tries = kind.validate_json(path.read_bytes())
    groups = [tries[at : at + group] for at in range(0, len(tries), group)]
    chosen = [
        (problem, of)
        for problem, of in zip(problems, groups, strict=True)
        if len({one.reward for one in of}) > 1
    ]
    print(f"{len(chosen)} of {len(problems)} problems are solved now and then")
    return chosen


def with_steps(one: training.Rollout, encoder: Encoder) -> training.Rollout:
    """A rollout whose lines are steps: what a rule says of each, and the grade of the last."""
    ids = one.completion_ids
    texts = [encoder.decode([token]) for token in ids]
    ends = [i for i, text in enumerate(texts) if "\n" in text and i < len(ids) - 1]
    lines = encoder.decode(ids).splitlines()
    if one.error or len(lines) != len(ends) + 1:
        ends, lines = [], lines[-1:]
    values = [*steps_of("\n".join(lines))[:-1], one.reward]
    return training.Rollout(
        prompt_ids=one.prompt_ids,
        completion_ids=ids,
        logprobs=one.logprobs,
        reward=one.reward,
        step_rewards=tuple(values[-len(ends) - 1 :]),
        step_ends=(*ends, len(ids) - 1),
        error=one.error,
    )


def measure(size: int, seed: int, arms: Sequence[str]) -> None:
    """Answer the test problems with every adapter there is, and compare each with the first."""
    rows = training.load_rows(START / "rows.jsonl")
    batches = [sums(130, 1_000 + 1_000 * i) for i in range(2)]  # of examples/improve.py
    trained = [*sums(1_000, TRAIN), *sums(1_000, TRAIN + 50_000), *batches[0], *batches[1]]
    tested = training.unseen(sums(size, seed), than=[*rows, *trained, *batches[0].examples])
    print(f"{len(tested)} problems, {tested.dropped} dropped as seen or repeated")
    scores: dict[str, dict[str, float]] = {}
    found = []
    for name, folder in {"start": start(), **{name: OUTPUT / name for name in TRAINED}}.items():
        if name not in arms or not folder.is_dir():
            continue
        with RunStore(OUTPUT / "measured.db") as store:
            team = cg.Team.of(
                MODEL, adapter=str(folder), examples=0, temperature=0, max_tokens=TOKENS
            )
            report = cg.run(tested, team, cg.ChainOfThought(), concurrency=64, store=store)
            outcomes = [training.Outcome.of(episode) for episode in report.episodes]
        scores[name] = training.scores_of(outcomes)
        found.append(training.summarise(outcomes, name=name, seconds=report.seconds))
    print(training.table(found))
    told = {name: one.model_dump(mode="json") for name, one in zip(scores, found, strict=True)}
    for name, of in scores.items():
        if name != "start":
            told[name]["against start"] = str(training.compare(scores["start"], of))
            print(f"{name} against start: {told[name]['against start']}")
    if "outcome" in scores and "process" in scores:
        print(f"process against outcome: {training.compare(scores['outcome'], scores['process'])}")
    (OUTPUT / f"measured-{seed}.json").write_text(json.dumps(told, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("command", choices=("grpo", "ppo", "credit", "measure"))
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--size", type=int, default=700, help="test problems, before duplicates go")
    parser.add_argument("--seed", type=int, default=TEST, help="of the test problems")
    parser.add_argument("--arms", nargs="+", default=["start", *TRAINED])
    chosen = parser.parse_args()
    match chosen.command:
        case "grpo":
            grpo(chosen.steps)
        case "credit":
            credit()
        case "measure":
            measure(chosen.size, chosen.seed, chosen.arms)
        case _:
            ppo(chosen.steps)


if __name__ == "__main__":
    main()
