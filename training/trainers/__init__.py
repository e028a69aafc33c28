"""How weights change: one module for each kind of training."""

from cogitate.training.trainers.sft import SFTSettings, Trained, train_sft

__all__ = ["SFTSettings", "Trained", "train_sft"]
