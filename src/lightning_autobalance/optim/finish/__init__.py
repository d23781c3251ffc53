"""Finishers: the last steps of a run, by curvature. They see an objective and no equation."""

from lightning_autobalance.optim.finish.base import Finisher, FinishStep, Objective
from lightning_autobalance.optim.finish.lbfgs import LBFGS
from lightning_autobalance.optim.finish.levenberg_marquardt import LevenbergMarquardt
from lightning_autobalance.optim.finish.self_scaled_broyden import SelfScaledBroyden

__all__ = ["Finisher", "FinishStep", "Objective", "LevenbergMarquardt", "SelfScaledBroyden", "LBFGS"]
