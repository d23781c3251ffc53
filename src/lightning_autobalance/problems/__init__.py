"""Ready-made problems, one PDE per file, each with its exact or a reference solution."""

from lightning_autobalance.problems.backward_facing_step import BackwardFacingStep
from lightning_autobalance.problems.burgers_1d import Burgers1D
from lightning_autobalance.problems.heat_inverse_2d import HeatInverse2D
from lightning_autobalance.problems.heat_long_time_2d import HeatLongTime2D
from lightning_autobalance.problems.heat_multiscale_2d import HeatMultiscale2D
from lightning_autobalance.problems.heat_nd import HeatND
from lightning_autobalance.problems.helmholtz_2d import Helmholtz2D
from lightning_autobalance.problems.lid_driven_cavity import LidDrivenCavity
from lightning_autobalance.problems.poisson_2d_classic import Poisson2DClassic
from lightning_autobalance.problems.poisson_boltzmann_2d import PoissonBoltzmann2D
from lightning_autobalance.problems.poisson_inverse_2d import PoissonInverse2D
from lightning_autobalance.problems.poisson_inverse_noisy_2d import PoissonInverseNoisy2D
from lightning_autobalance.problems.poisson_nd import PoissonND
from lightning_autobalance.problems.reaction_diffusion_1d import ReactionDiffusion1D
from lightning_autobalance.problems.wave_1d import Wave1D

__all__ = [
    "Helmholtz2D",
    "PoissonInverse2D",
    "ReactionDiffusion1D",
    "Burgers1D",
    "Poisson2DClassic",
    "PoissonBoltzmann2D",
    "HeatMultiscale2D",
    "LidDrivenCavity",
    "Wave1D",
    "PoissonND",
    "HeatND",
    "PoissonInverseNoisy2D",
    "HeatInverse2D",
    "HeatLongTime2D",
    "BackwardFacingStep",
]
