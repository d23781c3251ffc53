"""`lightning-autobalance new my_pde`: the three files of a new problem, ready to be edited."""

from lightning_autobalance.scaffold.command import main
from lightning_autobalance.scaffold.files import write

__all__ = ["main", "write"]
