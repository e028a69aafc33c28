"""The command line: one file for each command. Typer and rich are imported nowhere else."""

from cogitate.cli.app import main

__all__ = ["main"]
