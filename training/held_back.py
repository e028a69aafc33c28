"""Which problems are kept for measuring: the rule of `cogitate.tasks.held_back`."""

from cogitate.tasks.held_back import FIRST_HELD_BACK_SEED, held_back

__all__ = ["FIRST_HELD_BACK_SEED", "held_back"]
