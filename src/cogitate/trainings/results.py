"""What a training came to, as lines and as a record."""

from typing import TYPE_CHECKING

from cogitate.training.rewards import hacking_signs
from cogitate.training.trainers import Trained
from cogitate.trainings.told import Reported

if TYPE_CHECKING:
    from cogitate.training.trainers import Fitted

__all__ = ["as_trained", "of_trained"]


def of_trained(found: Trained, kept: bool, *, outcome_weight: float = 1.0) -> Reported:
    """Tell what one trainer made.

    Args:
        found: What it said.
        kept: It had ended before, and was not done again.
        outcome_weight: What the reward pays for a right answer more than for a wrong one.
    """
    losses = found.losses
    loss = f", loss {losses[0]:.3f} to {losses[-1]:.3f}" if losses else ""
    left = ", ".join(f"{name}: {n}" for name, n in found.counts.items() if n)
    text = f"{found.folder}: {found.steps} steps on {found.rows} rows{loss}, {found.seconds:.0f} s"
    signs = hacking_signs(found.history, outcome_weight=outcome_weight)
    known = f"kept from before: delete {found.folder} to train anew" if kept else ""
    return Reported(
        "\n".join(line for line in (text, left, str(signs or ""), known) if line),
        {
            "folder": str(found.folder),
            "kept": kept,
            "steps": found.steps,
            "rows": found.rows,
            "seconds": found.seconds,
            "losses": list(found.losses),
            "counts": dict(found.counts),
            "metrics": dict(found.metrics),
            "signs": None if signs is None else signs.model_dump(mode="json"),
        },
    )


def as_trained(found: "Fitted") -> Trained:
    """Return what a trainer without checkpoints came to, as the others say it."""
    return Trained(
        found.folder,
        found.losses,
        len(found.losses),
        found.seconds,
        found.units,
        found.left_out,
        {},
    )
