"""Policy-gradient training of a language model: one trainer, many objectives.

REINFORCE, RLOO, SCST, MIXER, MRT, A2C, PPO, TRPO, GRPO and its variants are settings of it. The
trainer owns the weights and knows nothing of reasoning: `rollouts(prompts, step)` samples, by
whatever strategy and engine, and says what each response earned. Under the output folder it writes
`policy/` (the adapter or model, a value head beside it), `metrics.jsonl`, and `state/` to go on
from. After each batch `publish` is called, so that engines can load the weights.

In several processes (`accelerate launch`) each asks for rollouts of its share of the prompts, all
see the whole batch, and the losses are those of one process. Tried with DDP on CPU. TRPO keeps to
replicated parameters: it does not run where weights are sharded.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from cogitate.errors import ConfigError
from cogitate.training.checkpoint import Checkpoint
from cogitate.training.described import described
from cogitate.training.trainers.policy import (
    LanguagePolicy,
    Learner,
    PolicyGradientSettings,
    Rollouts,
    StepMetrics,
    load_policy,
)
from cogitate.training.trainers.policy.state import restore, save
from cogitate.training.trainers.reporters import finish, reporting
from cogitate.training.trainers.rollout import Rollout
from cogitate.training.trainers.weights import Start

__all__ = ["PolicyGradientTrainer", "PolicyTrained"]

P = TypeVar("P")
_LIBRARIES = ("cogitate", "torch", "transformers", "peft", "accelerate")


class PolicyTrained(NamedTuple):
    """What a run came to."""

    folder: Path
    """A PEFT folder (or, with all weights, a model's): give it as `adapter=` to an agent."""
    metrics: list[StepMetrics]
    """Of the batches of this call; those before it are in `metrics.jsonl`."""
    steps: int
    """Batches in all, resumed ones included."""
    seconds: float


@described(
    "policy-gradient",
    paper="see the objectives",
    needs="prompts, and a function that samples rollouts with token ids and says what they earned",
    costs="rollouts and a pass over each; with `gae` a value head, with a KL the reference's pass",
    pays="where the objective is not one of `grpo`'s, or rollouts come from code of one's own",
)
class PolicyGradientTrainer(Generic[P]):
    """Trains one policy by any of the objectives. The weights are loaded when it is made.

    Args:
        base: A model's name, such as `hf/smollm2-135m`, or its folder.
        output: The run's folder; a run that stopped is taken up where its last state was written.
        settings: What is optimised, and how.
        adapter: An adapter to go on with, and its value head where it has one.
        reference: See `load_policy`; by default the policy as training begins.
        accelerator: Of this run; by default a new one, as `accelerate launch` configured it. Its
            trackers get the metrics of each batch, and are finished at the end.

    Raises:
        ConfigError: No such model, or a state of other settings.
    """

    def __init__(
        self,
        base: str,
        output: Path,
        settings: PolicyGradientSettings | None = None,
        *,
        adapter: Path | None = None,
        reference: Path | None = None,
        accelerator: Accelerator | None = None,
    ) -> None:
        self.settings = settings or PolicyGradientSettings()
        self._output = output
        self._start = Start.at(base, adapter)
        objective = self.settings.objective
        self.policy: LanguagePolicy = load_policy(
            self._start.folder,
            rank=self.settings.rank,
            seed=self.settings.schedule.seed,
            values=objective.has_values,
            adapter=adapter,
            reference=reference,
            has_reference=objective.kl_in != "none",
        )
        self._accelerator = accelerator or reporting((), output)
        self._learner = Learner(self.policy, self.settings, self._accelerator)
        self._done = restore(output / "state", self._learner, self.settings, self._accelerator)
        self._vocabulary = int(self.policy.model.config.get_text_config().vocab_size)

    @property
    def done(self) -> int:
        """Batches that were learned from."""
        return self._done

    def train(
        self,
        prompts: Sequence[P],
        rollouts: Rollouts[P],
        *,
        publish: Callable[[Path, int], None] | None = None,
        on_step: Callable[[StepMetrics], None] | None = None,
    ) -> PolicyTrained:
        """Train until `settings.schedule.steps` batches are done.

        Args:
            prompts: Each batch takes the next ones, in an order that the seed draws anew for each
                pass through them.
            rollouts: What samples and rewards.
            publish: Called with the folder of the newest weights and the batches done, in the main
                process: engines reload there. Without it weights are written at the end only.
            on_step: Called with the metrics of each batch, in the main process.

        Raises:
            ConfigError: No prompts, or rollouts that cannot be trained on; see `admit`.
        """
        if not prompts:
            raise ConfigError("no prompts to train on: give at least one")
        began, found = time.perf_counter(), []
        self._cut_metrics()
        if self._done and publish is not None and self._accelerator.is_main_process:
            self._write(None)  # what is there may be of a batch after the state
            publish(self._output / "policy", self._done)
        while self._done < self.settings.schedule.steps:
            step = self._done
            metrics = self._learner.update(self._produce(prompts, rollouts, step), step)
            found.append(metrics)
            self._done += 1
            self._log(metrics)
            last = self._done == self.settings.schedule.steps
            if publish is not None or last:
                self._write(metrics)
            if last or self._done % self.settings.checkpoint_every == 0:
                save(
                    self._output / "state",
                    self._learner,
                    self.settings,
                    self._accelerator,
                    steps=self._done,
                )
            self._accelerator.log(_numbers(metrics), step=self._done)
            if self._accelerator.is_main_process:
                if publish is not None:
                    publish(self._output / "policy", self._done)
                if on_step is not None:
                    on_step(metrics)
            self._accelerator.wait_for_everyone()
        finish(self._accelerator)
        seconds = time.perf_counter() - began
        return PolicyTrained(self._output / "policy", found, self._done, seconds)

    def _produce(self, prompts: Sequence[P], rollouts: Rollouts[P], step: int) -> list[Rollout]:
        """Return the rollouts of all processes, in the order of the prompts."""
        chosen = _choose(prompts, self.settings.schedule.prompts, self.settings.schedule.seed, step)
        ranks, rank = self._accelerator.num_processes, self._accelerator.process_index
        mine = chosen[len(chosen) * rank // ranks : len(chosen) * (rank + 1) // ranks]
        produced = list(rollouts(mine, step)) if mine else []
        everything: list[Rollout] = gather_object(produced)
        for row in everything:
            ids = (*row.prompt_ids, *row.completion_ids)
            if not all(0 <= one < self._vocabulary for one in ids):
                raise ConfigError(
                    f"a rollout has token ids outside this model's {self._vocabulary}: sample with "
                    "the model that is trained"
                )
        return everything

    def _write(self, metrics: StepMetrics | None) -> None:
        """Replace the weights in the output folder."""
        if not self._accelerator.is_main_process:
            return
        work = self._output / ".policy"
        shutil.rmtree(work, ignore_errors=True)
        self.policy.save(work)
        Checkpoint(
            parent=self._start.parent,
            parent_revision=self._start.parent_revision,
            base=self._start.base,
            base_revision=self._start.revision,
            method="policy-gradient",
            settings=self.settings.model_dump(mode="json"),
            rows=0 if metrics is None else metrics.rows,
            data_hash=self._learner.data_hash,
            metrics={} if metrics is None else metrics.model_dump(mode="json"),
            libraries={name: version(name) for name in _LIBRARIES},
        ).save(work)
        shutil.rmtree(self._output / "policy", ignore_errors=True)
        work.rename(self._output / "policy")

    def _log(self, metrics: StepMetrics) -> None:
        if self._accelerator.is_main_process:
            self._output.mkdir(parents=True, exist_ok=True)
            with (self._output / "metrics.jsonl").open("a") as file:
                file.write(metrics.model_dump_json() + "\n")

    def _cut_metrics(self) -> None:
        """Drop the lines of batches that come after the state that was taken up."""
        path = self._output / "metrics.jsonl"
        if self._accelerator.is_main_process and path.exists():
            lines = path.read_text().splitlines(keepends=True)[: self._done]
            path.write_text("".join(lines))


def _numbers(metrics: StepMetrics) -> dict[str, float]:
    """What a reporter shows of a batch."""
    found = metrics.model_dump(exclude={"step", "refused", "parts"}, exclude_none=True)
    counted = {f"refused/{why}": n for why, n in metrics.refused.items()}
    parts = {f"rewards/part/{name}": value for name, value in metrics.parts.items()}
    return {name: float(value) for name, value in (found | counted | parts).items()}


def _choose(prompts: Sequence[P], n: int, seed: int, step: int) -> list[P]:
    """The prompts of a batch: it follows from its number alone."""
    chosen = []
    for number in range(step * n, (step + 1) * n):
        generator = torch.Generator().manual_seed(hash((seed, number // len(prompts))) % 2**63)
        order = torch.randperm(len(prompts), generator=generator).tolist()
        chosen.append(prompts[order[number % len(prompts)]])
    return chosen
