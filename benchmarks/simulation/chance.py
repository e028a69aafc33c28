"""The simulation's chance: decided by seed, problem, position and sample number, or by a text."""

import math
import random
from hashlib import blake2b
from statistics import NormalDist

from cogitate.inference import Request

__all__ = ["calibrated", "chance", "normal"]

_NORMAL = NormalDist()


def chance(request: Request) -> random.Random:
    """The chance of one sample: equal requests err equally, whatever came before."""
    place = (request.seed, request.problem, request.position, request.operation, request.sample)
    return random.Random(":".join(map(str, place)))


def normal(*parts: object) -> float:
    """A draw from the standard normal distribution that is always the same for the same parts."""
    digest = blake2b("\x1f".join(map(str, parts)).encode(), digest_size=7).digest()
    return _NORMAL.inv_cdf((int.from_bytes(digest) + 0.5) / 2**56)


def calibrated(right: bool, separation: float, noise: float) -> float:
    """The score of a verifier whose evidence is normal with mean ±separation / 2, given even odds.

    Args:
        right: What is true.
        separation: Between the means, in standard deviations; its AUC is Φ(separation / √2).
        noise: A standard normal draw.
    """
    evidence = (separation / 2 if right else -separation / 2) + noise
    return 1 / (1 + math.exp(-separation * evidence))
