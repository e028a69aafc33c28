"""What `cogitate train` is told: one file for a training, checked before anything runs."""

from cogitate.trainings.adjust import adjusted
from cogitate.trainings.registry import METHODS
from cogitate.trainings.told import Reported, Told

__all__ = ["METHODS", "Reported", "Told", "adjusted"]
