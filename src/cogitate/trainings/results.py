"""What a training came to, as lines and as a record."""

from typing import TYPE_CHECKING

from cogitate.training.trainers import Trained
from cogitate.trainings.told import Reported

if TYPE_CHECKING:
    from cogitate.training.trainers import Fitted

__all__ = ["as_trained", "of_trained"]


def of_trained(found: Trained) -> Reported:
    """Tell what one trainer made."""
    losses = found.losses
    loss = f", loss {losses[0]:.3f} to {losses[-1]:.3f}" if losses else ""
    left = ", ".join(f"{name}: {n}" for name, n in found.counts.items() if n)
    text = f"{found.folder}: {found.steps} steps on {found.rows} rows{loss}, {found.seconds:.0f} s"
    return Reported(
        f"{text}\n{left}" if left else text,
        {
            "folder": str(found.folder),
            "steps": found.steps,
            "rows": found.rows,
            "seconds": found.seconds,
            "losses": list(found.losses),
            "counts": dict(found.counts),
            "metrics": dict(found.metrics),
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
