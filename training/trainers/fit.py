"""From a trainer to trained weights on disk: what every training does once its trainer is made."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, JsonValue

from cogitate.errors import ConfigError
from cogitate.training.checkpoint import Checkpoint
from cogitate.training.rewards.hacking import StepMeans
from cogitate.training.trainers.adapters import AdaLoRA, Adapter, allocation
from cogitate.training.trainers.earned import from_log
from cogitate.training.trainers.weights import Start, save
from cogitate.training.trainers.work import Work, first_process, working_on

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback

__all__ = ["OnStep", "Run", "Trained", "begin", "hash_of", "watcher"]

OnStep = Callable[[int, int], None]
"""Called with the steps done and the steps in all: for progress."""

_LIBRARIES = ("cogitate", "torch", "transformers", "trl", "peft", "accelerate")


class Trained(NamedTuple):
    """What training came to."""

    folder: Path
    """The weights, with the record of where they come from: a PEFT folder, or a whole model's."""
    losses: list[float]
    """One for each step, as the method defines it."""
    steps: int
    seconds: float
    """Of the last start, where training was resumed."""
    rows: int
    """What was trained on."""
    counts: Mapping[str, int]
    """What became of the other rows, and of those that were changed, by what it was."""
    metrics: Mapping[str, float]
    """What the trainer measured at its last step, by its own names."""
    history: tuple[StepMeans, ...] = ()
    """Of a training that samples: what its steps came to, for `rewards.hacking_signs`."""

    @property
    def adapter(self) -> Path:
        """The PEFT folder: give it as `adapter=` to an agent or a team."""
        return self.folder


class Run(NamedTuple):
    """One training under way."""

    method: str
    start: Start
    adapter: Adapter
    settings: BaseModel
    rows: int
    data_hash: str
    counts: Counter[str]
    """Of rows that were left out or changed; a training that samples adds to them."""
    output: Path
    work: Work

    def fit(self, trainer: "Trainer", on_step: OnStep | None = None) -> Trained:
        """Train to the end, and save the weights and their record."""
        from transformers import PrinterCallback

        trainer.remove_callback(PrinterCallback)
        if isinstance(self.adapter, AdaLoRA):
            trainer.add_callback(allocation())
        trainer.add_callback(_keeper(self.counts))
        if on_step is not None:
            trainer.add_callback(watcher(on_step))
        resume = self.work.resume
        outcome = trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
        save(trainer, self.start, self.adapter, self.work.finished)
        logged = [entry for entry in trainer.state.log_history if "loss" in entry]
        losses = [float(entry["loss"]) for entry in logged]
        metrics = {
            name: float(value)
            for name, value in (logged[-1] if logged else {}).items()
            if isinstance(value, int | float) and name not in ("epoch", "step", "loss")
        }
        seconds = float(outcome.metrics["train_runtime"])
        history = from_log(logged)
        return self.close(losses, trainer.state.global_step, seconds, metrics, history)

    def close(
        self,
        losses: list[float],
        steps: int,
        seconds: float,
        metrics: Mapping[str, float],
        history: Sequence[StepMeans] = (),
    ) -> Trained:
        """Write the record beside weights that are saved, and return what it came to."""
        if first_process():
            self._record(losses, metrics, seconds).save(self.work.finished)
        return Trained(
            self.output,
            losses,
            steps,
            seconds,
            self.rows,
            dict(self.counts),
            metrics,
            tuple(history),
        )

    def _record(
        self, losses: list[float], metrics: Mapping[str, float], seconds: float
    ) -> Checkpoint:
        start = self.start
        found: dict[str, JsonValue] = {
            "first_loss": losses[0] if losses else None,
            "last_loss": losses[-1] if losses else None,
            "seconds": seconds,
            **metrics,
        }
        return Checkpoint(
            parent=start.base if start.adapter is None else str(start.adapter),
            parent_revision=start.adapter_revision or start.revision,
            base=start.base,
            base_revision=start.revision,
            method=self.method,
            settings=self.settings.model_dump(mode="json"),
            rows=self.rows,
            data_hash=self.data_hash,
            counts=dict(self.counts),
            metrics=found,
            libraries={name: version(name) for name in _LIBRARIES},
        )


@contextmanager
def begin(
    method: str,
    start: Start,
    adapter: Adapter,
    settings: BaseModel,
    rows: Iterable[object],
    output: Path,
    *,
    counts: Mapping[str, int] | None = None,
    keep: bool,
) -> Iterator[Run]:
    """Begin a training, or go on with the same one where it was killed.

    Args:
        method: Its name, such as `dpo-lora`.
        start: The weights it begins with.
        adapter: Which weights it trains.
        settings: All of them, for the record.
        rows: What is trained on, as plain values in order.
        output: The folder to make.
        counts: What became of the rows that are not among them.
        keep: Leave checkpoints behind where it fails.

    Raises:
        ConfigError: Checkpoints of AdaLoRA, which cannot go on from them.
    """
    if keep and isinstance(adapter, AdaLoRA):
        raise ConfigError(
            "PEFT does not keep what AdaLoRA has measured: train it in one go, without save_steps"
        )
    rows = list(rows)
    digest = hash_of(rows)
    known = [method, start.revision, start.adapter_revision, settings.model_dump_json(), digest]
    with working_on(output, "\n".join(known), keep=keep) as work:
        yield Run(
            method, start, adapter, settings, len(rows), digest, Counter(counts or {}), output, work
        )


def hash_of(rows: Iterable[object]) -> str:
    """Return the hash of rows that are plain values: all trained tokens, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for row in rows:
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def watcher(on_step: OnStep) -> "TrainerCallback":
    """Return the callback that tells of each step as it ends."""
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

    class Watcher(TrainerCallback):
        def on_step_end(
            self,
            args: TrainingArguments,
            state: TrainerState,
            control: TrainerControl,
            **kwargs: object,
        ) -> None:
            on_step(state.global_step, state.max_steps)

    return Watcher()


def _keeper(counts: Counter[str]) -> "TrainerCallback":
    """Return the callback that keeps counts in checkpoints, and takes them up from there."""
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
    from transformers.trainer_callback import ExportableState

    class Counts(TrainerCallback, ExportableState):
        def state(self) -> dict[str, dict[str, int]]:
            return {"args": {}, "attributes": dict(counts)}

        def on_train_begin(
            self,
            args: TrainingArguments,
            state: TrainerState,
            control: TrainerControl,
            **kwargs: object,
        ) -> None:
            states: Any = state.stateful_callbacks  # a dictionary by now, whatever its type says
            kept = states.setdefault("Counts", self.state())
            counts.clear()
            counts.update(kept["attributes"])

    return Counts()
