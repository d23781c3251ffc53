"""Callbacks that observe a run without changing it."""

from lightning_autobalance.callbacks.balance_monitor import BalanceMonitor
from lightning_autobalance.callbacks.dashboard import Dashboard
from lightning_autobalance.callbacks.fit_summary import FitSummary
from lightning_autobalance.callbacks.hessian_spectrum import HessianSpectrum
from lightning_autobalance.callbacks.history_plotter import HistoryPlotter
from lightning_autobalance.callbacks.predictions import Predictions
from lightning_autobalance.callbacks.progress_bars import LossProgressBar, RichLossProgressBar
from lightning_autobalance.callbacks.solution_plotter import SolutionPlotter
from lightning_autobalance.callbacks.unknown_parameters import UnknownParameters

__all__ = [
    "BalanceMonitor",
    "Dashboard",
    "FitSummary",
    "HessianSpectrum",
    "HistoryPlotter",
    "LossProgressBar",
    "Predictions",
    "RichLossProgressBar",
    "SolutionPlotter",
    "UnknownParameters",
]
