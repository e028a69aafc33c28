"""One fit loop for objectives that learn from kept responses, with the tokens that were sampled.

An objective sees a batch of units (responses, pairs or groups of them) and returns its mean loss;
the loop gives each process its share, so that the losses of several processes are those of one.
Left out: resuming in the middle, for these runs are short.
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from accelerate import Accelerator
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from cogitate.errors import ConfigError
from cogitate.inference.hf.encode import Encoder
from cogitate.inference.hf.locate import fingerprint
from cogitate.inference.request import Message, Prefix
from cogitate.training.checkpoint import Checkpoint
from cogitate.training.objectives import token_log_probs
from cogitate.training.rows import Reply
from cogitate.training.trainers.policy.batch import Batch, Scored, collate
from cogitate.training.trainers.policy.policy import Policy, Predicted
from cogitate.training.trainers.reporters import finish
from cogitate.training.trainers.rollout import Rollout
from cogitate.training.trainers.weights import Start

__all__ = [
    "Fitted", "LogRatios", "OfflineSettings", "Responses", "fit", "keep", "log_ratios",
]  # fmt: skip

U = TypeVar("U")
_LIBRARIES = ("cogitate", "torch", "transformers", "peft", "accelerate")


class OfflineSettings(BaseModel):
    """How to fit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int | None = Field(default=32, ge=1)
    """Of a LoRA adapter on every linear layer, its scale twice that; None: all weights learn."""
    learning_rate: float = Field(default=1e-5, gt=0)
    """The highest: a tenth of the steps lead up to it, then it falls along a line."""
    epochs: int = Field(default=1, ge=1)
    batch_size: int = Field(default=8, ge=1)
    """Units (responses, pairs or groups of them) of one step, over all processes."""
    max_tokens: int = Field(default=1024, ge=2)
    """Units with a longer response, prompt included, are left out and counted."""
    max_gradient_norm: float = Field(default=1.0, gt=0)
    report_to: tuple[str, ...] = ()
    """Where losses go as they come; see `trainers.reporters`."""
    seed: int = 0


class Fitted(NamedTuple):
    """What training came to."""

    folder: Path
    """A PEFT folder (or, with all weights, a model's): give it as `adapter=` to an agent."""
    losses: list[float]
    """One for each step."""
    units: int
    """That were learned from."""
    left_out: dict[str, int]
    """Those that were not, by reason."""
    seconds: float


class LogRatios(NamedTuple):
    """log pi / pi_ref of some responses."""

    ratios_BT: Tensor
    """0 outside the responses."""
    batch: Batch
    predicted: Predicted
    reference_BTV: Tensor
    """The reference's logits."""


class Responses:
    """Makes token ids of rows for the model in a folder, as they were sampled."""

    def __init__(self, folder: Path) -> None:
        self._encoder, self._revision = Encoder(folder), fingerprint(folder)

    def prompt(
        self, messages: tuple[Message, ...], prefix: str, ids: tuple[int, ...] | None
    ) -> tuple[int, ...]:
        """Return a prompt's ids: those that are known, else from the chat template.

        Raises:
            ConfigError: There is no prompt.
        """
        if ids:
            return ids
        if not messages:
            raise ConfigError("a row has no prompt: leave it out")
        return self._encoder.prompt(messages, Prefix(prefix) if prefix else None).ids

    def reply(self, prompt_ids: tuple[int, ...], reply: Reply) -> Scored:
        """Return a reply after a prompt.

        Raises:
            ConfigError: It has no token ids, or those of other weights.
        """
        if reply.completion_ids is None or reply.source.revision != self._revision:
            raise ConfigError(
                f"the reply of thought {reply.thought} has no token ids of this model: its text "
                "encoded again need not be what was judged. Leave it out, or sample it again here"
            )
        return self.ids(prompt_ids, reply.completion_ids)

    def ids(self, prompt_ids: tuple[int, ...], completion_ids: tuple[int, ...]) -> Scored:
        """Return a response of known ids."""
        return Scored(Rollout(prompt_ids=prompt_ids, completion_ids=completion_ids))


def log_ratios(
    forward: Callable[..., Predicted], policy: Policy, rows: Sequence[Scored]
) -> LogRatios:
    """Return log pi / pi_ref of every token of some responses, with gradient.

    Args:
        forward: The policy, wrapped for several processes or not.
        policy: The same, not wrapped.
        rows: The responses.
    """
    device = next(p for _, p in policy.named_parameters()).device
    batch = collate(rows, device=device)
    predicted = forward(batch.inputs)
    reference_BTV = policy.reference(batch.inputs)
    ratios_BT = token_log_probs(predicted.logits_BTV, batch.ids_BT) - token_log_probs(
        reference_BTV, batch.ids_BT
    )
    inside_BT = torch.where(batch.mask_BT, ratios_BT, 0.0)
    return LogRatios(inside_BT, batch, predicted, reference_BTV)


def fit(
    policy: torch.nn.Module,
    units: Sequence[U],
    loss: Callable[[Callable[..., Predicted], Sequence[U]], Tensor],
    settings: OfflineSettings,
    accelerator: Accelerator,
    *,
    on_step: Callable[[int, int], None] | None = None,
) -> list[float]:
    """Minimise a loss over units, and return the loss of each step.

    Args:
        policy: What learns: every parameter that requires a gradient.
        units: What is learned from, at least one.
        loss: From the wrapped policy and some units to their mean loss.
        settings: How to fit.
        accelerator: Of this run.
        on_step: Called with the steps done and the steps in all.
    """
    learn = [p for p in policy.parameters() if p.requires_grad]
    forward, adam = accelerator.prepare(policy, torch.optim.AdamW(learn, weight_decay=0.0))
    per_epoch = math.ceil(len(units) / settings.batch_size)
    total = per_epoch * settings.epochs
    losses: list[float] = []
    ranks, rank = accelerator.num_processes, accelerator.process_index
    generator = torch.Generator().manual_seed(settings.seed)
    for _ in range(settings.epochs):
        order = torch.randperm(len(units), generator=generator).tolist()
        for start in range(0, len(order), settings.batch_size):
            chosen = [units[n] for n in order[start : start + settings.batch_size]]
            mine = chosen[rank::ranks]
            # A process without a share looks at a unit that does not count: all must pass.
            with accelerator.autocast():  # the reference as the policy, which comes first
                mean = loss(forward, mine or chosen[:1])
            for group in adam.param_groups:
                group["lr"] = settings.learning_rate * _rate(len(losses), total)
            share = mean * len(mine) / len(chosen)
            accelerator.backward(share * ranks)
            accelerator.clip_grad_norm_(learn, settings.max_gradient_norm)
            adam.step()
            adam.zero_grad()
            whole = accelerator.reduce(share.detach(), reduction="sum")
            assert isinstance(whole, Tensor)
            losses.append(float(whole))
            accelerator.log({"loss": losses[-1]}, step=len(losses))
            if on_step is not None:
                on_step(len(losses), total)
    finish(accelerator)
    return losses


def _rate(step: int, total: int) -> float:
    rise = max(1, total // 10)
    return (step + 1) / rise if step < rise else (total - step) / max(total - rise, 1)


def keep(
    output: Path,
    save: Callable[[Path], None],
    *,
    start: Start,
    method: str,
    settings: BaseModel,
    rows: Sequence[Scored],
    losses: Sequence[float],
    accelerator: Accelerator,
    began: float,
) -> float:
    """Replace a folder by newly trained weights and their record, and return the seconds it took.

    Args:
        output: The folder.
        save: Writes the weights into a folder.
        start: What training began with.
        method: As the record names it.
        settings: Of the training.
        rows: Every response that was learned from.
        losses: Of each step.
        accelerator: Its main process writes.
        began: By `time.perf_counter`.
    """
    seconds = time.perf_counter() - began
    if accelerator.is_main_process:
        digest = hashlib.blake2b(digest_size=16)
        for scored in rows:
            digest.update(json.dumps((scored.row.prompt_ids, scored.ids)).encode())
        work = output.with_name(f".{output.name}")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        save(work)
        Checkpoint(
            parent=start.parent,
            parent_revision=start.parent_revision,
            base=start.base,
            base_revision=start.revision,
            method=method,
            settings=settings.model_dump(mode="json"),
            rows=len(rows),
            data_hash=digest.hexdigest(),
            metrics={"first_loss": losses[0], "last_loss": losses[-1], "seconds": seconds},
            libraries={name: version(name) for name in _LIBRARIES},
        ).save(work)
        shutil.rmtree(output, ignore_errors=True)
        work.rename(output)
    accelerator.wait_for_everyone()
    return seconds
