"""What the command line changes in a file: the seed of every trainer in it, and its reporters."""

from importlib.util import find_spec
from typing import TypeVar

from pydantic import BaseModel

from cogitate.training.loops.course import LoopSettings
from cogitate.training.trainers import Optimisation, Schedule

__all__ = ["adjusted"]

M = TypeVar("M", bound=BaseModel)


def adjusted(told: M, *, seed: int | None, report_to: tuple[str, ...] | None) -> M:
    """Return what a file says with a seed and with reporters for all of its trainers.

    Args:
        told: What the file says, or a part of it.
        seed: For sampling and training; None: as the file says.
        report_to: Where metrics go; None: as the file says, and to trackio where it says nothing
            and that is installed.
    """
    new: dict[str, object] = {}
    for name in type(told).model_fields:
        value: object = getattr(told, name)
        if isinstance(value, BaseModel):
            new[name] = adjusted(value, seed=seed, report_to=report_to)
    if isinstance(told, Optimisation | Schedule | LoopSettings) and seed is not None:
        new["seed"] = seed
    if isinstance(told, Optimisation):
        if report_to is not None:
            new["report_to"] = report_to
        elif "report_to" not in told.model_fields_set and find_spec("trackio") is not None:
            new["report_to"] = ("trackio",)
    return told.model_copy(update=new)
