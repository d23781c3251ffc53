"""AutoBalance for physics-informed neural networks on PyTorch Lightning.

The names below are imported when they are first used, so that a plain torch loop does not wait for Lightning.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_autobalance.callbacks import BalanceMonitor, Dashboard, FitSummary, HessianSpectrum, SolutionPlotter
    from lightning_autobalance.data import CollocationPoints
    from lightning_autobalance.derivatives import divergence, gradient, laplacian, partials
    from lightning_autobalance.dropin import TermLog, step_terms
    from lightning_autobalance.jacobian import backward, hessian_spectrum
    from lightning_autobalance.module import PINNModule
    from lightning_autobalance.nets import MLP
    from lightning_autobalance.nets.bounded import Bounded
    from lightning_autobalance.optim import AutoAdam, AutoAdamW, AutoBalance, AutoSOAP, WarmupExponentialDecay
    from lightning_autobalance.points import (
        Ball,
        Box,
        Disk,
        Ellipse,
        Interval,
        Measurements,
        ParameterRange,
        PointCloud,
        Polygon,
        Rectangle,
        TimeCylinder,
    )
    from lightning_autobalance.sweeps.seed_ensemble import SeedEnsemble

__version__ = version("lightning-autobalance")

_ROOMS = {
    "callbacks": ("BalanceMonitor", "Dashboard", "FitSummary", "HessianSpectrum", "SolutionPlotter"),
    "data": ("CollocationPoints",),
    "derivatives": ("partials", "gradient", "divergence", "laplacian"),
    "dropin": ("TermLog", "step_terms"),
    "jacobian": ("backward", "hessian_spectrum"),
    "module": ("PINNModule",),
    "nets": ("MLP",),
    "nets.bounded": ("Bounded",),
    "optim": ("AutoAdam", "AutoAdamW", "AutoBalance", "AutoSOAP", "WarmupExponentialDecay"),
    "points": (
        "Ball",
        "Box",
        "Disk",
        "Ellipse",
        "Interval",
        "Measurements",
        "ParameterRange",
        "PointCloud",
        "Polygon",
        "Rectangle",
        "TimeCylinder",
    ),
    "sweeps.seed_ensemble": ("SeedEnsemble",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "PINNModule",
    "CollocationPoints",
    "SeedEnsemble",
    "AutoAdamW",
    "AutoAdam",
    "AutoSOAP",
    "AutoBalance",
    "WarmupExponentialDecay",
    "backward",
    "step_terms",
    "TermLog",
    "partials",
    "gradient",
    "divergence",
    "laplacian",
    "Interval",
    "Rectangle",
    "Box",
    "Disk",
    "Ellipse",
    "Polygon",
    "Ball",
    "PointCloud",
    "ParameterRange",
    "TimeCylinder",
    "Measurements",
    "Bounded",
    "MLP",
    "BalanceMonitor",
    "Dashboard",
    "SolutionPlotter",
    "FitSummary",
    "HessianSpectrum",
    "hessian_spectrum",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
