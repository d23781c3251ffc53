"""Networks."""

from lightning_autobalance.nets.activations import Sin
from lightning_autobalance.nets.mlp import MLP
from lightning_autobalance.nets.parallel import Parallel

__all__ = ["MLP", "Parallel", "Sin"]
