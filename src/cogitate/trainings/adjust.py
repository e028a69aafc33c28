"""What the command line changes in a file: the seed of every trainer in it, and its reporters."""

from importlib.util import find_spec
from typing import TypeVar

from pydantic import BaseModel

from cogitate.training.trainers import AdaLoRA, Optimisation, PPOSettings
from cogitate.training.trainers.offline import OfflineSettings
from cogitate.training.trainers.reporters import check_reporters

__all__ = ["SAVE_STEPS", "adjusted", "has_trackio"]

M = TypeVar("M", bound=BaseModel)

SAVE_STEPS = 50
"""After so many steps a training writes what it needs to go on, where its file says nothing."""


def adjusted(told: M, *, seed: int | None, report_to: tuple[str, ...] | None) -> M:
    """Return what a file says with a seed and with reporters for all of its trainers.

    Args:
        told: What the file says, or a part of it.
        seed: For sampling and training; None: as the file says.
        report_to: Where metrics go; None: as the file says, and to trackio where it says nothing
            and that is installed.

    Raises:
        ConfigError: A reporter that is not known, or not installed.
    """
    new: dict[str, object] = {}
    for name in type(told).model_fields:
        value: object = getattr(told, name)
        if isinstance(value, BaseModel):
            new[name] = adjusted(value, seed=seed, report_to=report_to)
    measured = isinstance(getattr(told, "adapter", None), AdaLoRA)  # of any settings
    how = new.get("optimisation")
    if isinstance(how, Optimisation) and not measured and how.save_steps is None:
        new["optimisation"] = how.model_copy(update={"save_steps": SAVE_STEPS})
    if "seed" in type(told).model_fields and seed is not None:
        new["seed"] = seed
    if isinstance(told, Optimisation | PPOSettings | OfflineSettings):
        names = told.report_to if report_to is None else report_to
        if report_to is None and "report_to" not in told.model_fields_set and has_trackio():
            names = ("trackio",)
        check_reporters(names)
        new["report_to"] = names
    return told.model_copy(update=new)


def has_trackio() -> bool:
    """Whether the default reporter is installed."""
    return find_spec("trackio") is not None
