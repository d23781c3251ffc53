"""The command `lightning-autobalance new`, which writes the files of a new problem, to be edited."""

from lightning_autobalance.scaffold.command import main
from lightning_autobalance.scaffold.files import write

__all__ = ["main", "write"]
