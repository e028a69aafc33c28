"""Rows in files: for trainers, for others, and to be read back."""

from cogitate.training.exports.kinds import Kind
from cogitate.training.exports.manifest import Form, Manifest
from cogitate.training.exports.read import Claims, read_manifest, read_rows
from cogitate.training.exports.trl import TrainerForm, as_dataset
from cogitate.training.exports.write import export

__all__ = [
    "Claims",
    "Form",
    "Kind",
    "Manifest",
    "TrainerForm",
    "as_dataset",
    "export",
    "read_manifest",
    "read_rows",
]
