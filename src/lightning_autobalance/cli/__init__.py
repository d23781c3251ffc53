"""The commands `lightning-autobalance` and `lightning`: a lightweight entry point, LightningCLI with our defaults."""

from lightning_autobalance.cli.entry_points import lightning, main, run_cli

__all__ = ["main", "lightning", "run_cli"]
