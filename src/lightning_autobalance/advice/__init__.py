"""Which recipe for this problem? Short trials of the user's own configuration, and the YAML of the best one."""

from lightning_autobalance.advice.command import main

__all__ = ["main"]
