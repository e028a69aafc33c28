"""Rows in files: for trainers, for others, and to be read back."""

from cogitate.training.exports.kinds import Kind
from cogitate.training.exports.manifest import Form, Manifest
from cogitate.training.exports.read import Claims, read_manifest, read_rows
from cogitate.training.exports.strict_json import checked_json
from cogitate.training.exports.trajectory import Trajectory
from cogitate.training.exports.trl import TrainerForm, as_dataset
from cogitate.training.exports.write import export, export_trajectories

__all__ = [
    "Claims",
    "Form",
    "Kind",
    "Manifest",
    "TrainerForm",
    "Trajectory",
    "as_dataset",
    "checked_json",
    "export",
    "export_trajectories",
    "read_manifest",
    "read_rows",
]
