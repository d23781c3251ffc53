"""Ready-made problems, one PDE per file, each with its exact or a reference solution."""

from lightning_autobalance.problems.allen_cahn_1d import AllenCahn1D
from lightning_autobalance.problems.burgers_1d import Burgers1D
from lightning_autobalance.problems.convection_1d import Convection1D
from lightning_autobalance.problems.elasticity_2d import Elasticity2D
from lightning_autobalance.problems.gray_scott_1d import GrayScott1D
from lightning_autobalance.problems.heat_inverse_2d import HeatInverse2D
from lightning_autobalance.problems.heat_long_time_2d import HeatLongTime2D
from lightning_autobalance.problems.heat_multiscale_2d import HeatMultiscale2D
from lightning_autobalance.problems.heat_nd import HeatND
from lightning_autobalance.problems.helmholtz_2d import Helmholtz2D
from lightning_autobalance.problems.kdv_1d import KdV1D
from lightning_autobalance.problems.kovasznay import Kovasznay
from lightning_autobalance.problems.kuramoto_sivashinsky_1d import KuramotoSivashinsky1D
from lightning_autobalance.problems.lid_driven_cavity import LidDrivenCavity
from lightning_autobalance.problems.poisson_2d_classic import Poisson2DClassic
from lightning_autobalance.problems.poisson_boltzmann_2d import PoissonBoltzmann2D
from lightning_autobalance.problems.poisson_inverse_2d import PoissonInverse2D
from lightning_autobalance.problems.poisson_inverse_noisy_2d import PoissonInverseNoisy2D
from lightning_autobalance.problems.poisson_nd import PoissonND
from lightning_autobalance.problems.reaction_diffusion_1d import ReactionDiffusion1D
from lightning_autobalance.problems.wave_1d import Wave1D
from lightning_autobalance.problems.wave_2d import Wave2D

__all__ = [
    "AllenCahn1D",
    "Burgers1D",
    "Convection1D",
    "Elasticity2D",
    "GrayScott1D",
    "HeatInverse2D",
    "HeatLongTime2D",
    "HeatMultiscale2D",
    "HeatND",
    "Helmholtz2D",
    "KdV1D",
    "Kovasznay",
    "KuramotoSivashinsky1D",
    "LidDrivenCavity",
    "Poisson2DClassic",
    "PoissonBoltzmann2D",
    "PoissonInverse2D",
    "PoissonInverseNoisy2D",
    "PoissonND",
    "ReactionDiffusion1D",
    "Wave1D",
    "Wave2D",
]
