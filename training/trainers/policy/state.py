"""All that a run needs to go on exactly as if it had not stopped, as safetensors and JSON.

Kept: every parameter that learns, AdamW's moments, the moving average, and PyTorch's random states,
one file for each process. The learning rate and the order of rows follow from the number of the
batch, so they need no state. A folder is written beside the old one and then renamed: a run that
dies while it writes goes on from the one before.
"""

import shutil
from pathlib import Path

import torch
from accelerate import Accelerator
from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cogitate.errors import ConfigError, DataError
from cogitate.training.trainers.policy.learner import Learner
from cogitate.training.trainers.policy.settings import PolicyGradientSettings

__all__ = ["restore", "save"]


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int
    """Batches that were learned from."""
    processes: int
    settings: PolicyGradientSettings
    total: FiniteFloat
    weight: FiniteFloat
    """Of the moving average."""
    data_hash: str


def save(
    folder: Path,
    learner: Learner,
    settings: PolicyGradientSettings,
    accelerator: Accelerator,
    *,
    steps: int,
) -> None:
    """Write `folder/step-N`, by all processes together, and remove older ones."""
    final, work = folder / f"step-{steps:08d}", folder / f".step-{steps:08d}"
    if accelerator.is_main_process:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
    accelerator.wait_for_everyone()
    save_file(_random(), work / f"random-{accelerator.process_index}.safetensors")
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        save_file(_tensors(learner), work / "learner.safetensors")
        state = _State(
            steps=steps,
            processes=accelerator.num_processes,
            settings=settings,
            total=learner.average.total,
            weight=learner.average.weight,
            data_hash=learner.data_hash,
        )
        (work / "state.json").write_text(state.model_dump_json(indent=2) + "\n")
        shutil.rmtree(final, ignore_errors=True)
        work.rename(final)
        for other in folder.glob("step-*"):
            if other != final:
                shutil.rmtree(other)
    accelerator.wait_for_everyone()


def restore(
    folder: Path, learner: Learner, settings: PolicyGradientSettings, accelerator: Accelerator
) -> int:
    """Take up the newest state in a folder, and return how many batches it has learned from.

    Raises:
        ConfigError: It is that of other settings, or of another number of processes.
        DataError: It cannot be read.
    """
    found = sorted(folder.glob("step-*"))
    if not found:
        return 0
    newest = found[-1]
    try:
        state = _State.model_validate_json((newest / "state.json").read_text())
        tensors = load_file(newest / "learner.safetensors")
        random = load_file(newest / f"random-{accelerator.process_index}.safetensors")
    except (OSError, ValidationError, SafetensorError) as error:
        raise DataError(f"{newest} cannot be read: {error}. Remove it to begin anew") from error
    if (state.settings, state.processes) != (settings, accelerator.num_processes):
        raise ConfigError(
            f"{newest} was begun with other settings, or with {state.processes} processes: give "
            "those to go on exactly, or another output folder"
        )
    _put(learner, tensors)
    learner.data_hash = state.data_hash
    learner.average.total, learner.average.weight = state.total, state.weight
    torch.set_rng_state(random["cpu"])
    if "cuda" in random:
        torch.cuda.set_rng_state(random["cuda"])
    return state.steps


def _random() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _tensors(learner: Learner) -> dict[str, Tensor]:
    found = {}
    for name, parameter in learner.parameters.items():
        found[f"parameter.{name}"] = parameter.detach()
        if learner.optimiser is not None:
            for key, value in learner.optimiser.state.get(parameter, {}).items():
                found[f"adam.{key}.{name}"] = value
    return {name: one.contiguous().cpu().clone() for name, one in found.items()}


def _put(learner: Learner, tensors: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in learner.parameters.items():
            parameter.copy_(tensors[f"parameter.{name}"])
    moments: dict[str, dict[str, Tensor]] = {}
    for name, one in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "adam":
            key, _, of = rest.partition(".")
            moments.setdefault(of, {})[key] = one
    for name, moment in moments.items():
        if learner.optimiser is not None:
            parameter = learner.parameters[name]
            # AdamW counts its steps on the CPU.
            learner.optimiser.state[parameter] = {
                key: one if key == "step" else one.to(parameter.device)
                for key, one in moment.items()
            }
