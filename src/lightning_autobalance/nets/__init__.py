"""Networks u(x; w) from points, (b, d), to fields, (b, k).

Any ``nn.Module`` will do. These have a method ``taylor`` or are chains of known layers, so Taylor mode passes them.
"""

from lightning_autobalance.nets.activations import Sin
from lightning_autobalance.nets.fourier import FourierFeatures
from lightning_autobalance.nets.fuzzy import FuzzyNet
from lightning_autobalance.nets.mlp import MLP
from lightning_autobalance.nets.modified_mlp import ModifiedMLP
from lightning_autobalance.nets.parallel import Parallel
from lightning_autobalance.nets.periodic import Periodic
from lightning_autobalance.nets.transformed import Transformed, ZeroAtStart, ZeroOnEdge

__all__ = [
    "MLP",
    "FourierFeatures",
    "FuzzyNet",
    "ModifiedMLP",
    "Parallel",
    "Periodic",
    "Sin",
    "Transformed",
    "ZeroAtStart",
    "ZeroOnEdge",
]
