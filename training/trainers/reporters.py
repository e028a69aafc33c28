"""Where our own trainers send metrics as they come: what accelerate calls trackers.

TRL's trainers have reporters of their own, by the same names.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cogitate.errors import ConfigError
from cogitate.training.trainers.work import on_cpus

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["PROJECT", "REPORTERS", "check_reporters", "finish", "reporting"]

REPORTERS: Mapping[str, tuple[str, ...]] = {
    "trackio": ("trackio",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
    "tensorboard": ("tensorboard", "tensorboardX"),
}
"""By name, the packages of which one must be installed."""

PROJECT = "cogitate"
"""The name under which runs are shown together."""


def check_reporters(names: Sequence[str]) -> None:
    """Refuse reporters that cannot work, before anything is loaded.

    Raises:
        ConfigError: One is not known, or its package is not installed.
    """
    for name in names:
        if name not in REPORTERS:
            raise ConfigError(f"no reporter is called {name!r}: known are {', '.join(REPORTERS)}")
        if not any(map(find_spec, REPORTERS[name])):
            raise ConfigError(
                f"{name} is not installed: pip install {REPORTERS[name][0]}, or report to another"
            )


def reporting(names: Sequence[str], output: Path) -> "Accelerator":
    """Return a new accelerator that sends what is logged to some reporters.

    It computes in float32, or as `accelerate launch` was told. An older accelerator of this process
    is not to be used any more: all of them share one state.

    Args:
        names: Of `REPORTERS`.
        output: The folder that is made: its name is the run's, and tensorboard writes beside it.

    Raises:
        ConfigError: See `check_reporters`.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState

    check_reporters(names)
    # What a training by TRL left there: its precision, and an accumulation that it did not end.
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    if not names:
        return Accelerator(cpu=on_cpus())
    accelerator = Accelerator(cpu=on_cpus(), log_with=list(names), project_dir=str(output.parent))
    own: dict[str, dict[str, object]] = {
        "trackio": {"name": output.name},
        "wandb": {"name": output.name},
        "mlflow": {"run_name": output.name},
    }
    accelerator.init_trackers(PROJECT, init_kwargs={n: own[n] for n in names if n in own})
    return accelerator


def finish(accelerator: "Accelerator") -> None:
    """Close the reporters; the processes go on together."""
    for tracker in accelerator.trackers:
        tracker.finish()
    accelerator.trackers = []
