"""What `cogitate train` is told: one file for a training, checked before anything runs."""

from cogitate.trainings.adjust import adjusted, has_trackio
from cogitate.trainings.registry import METHODS
from cogitate.trainings.told import Reported, Told

__all__ = ["METHODS", "Reported", "Told", "adjusted", "has_trackio"]
