"""Ready-made problems, one PDE per file, each with its exact or a reference solution."""

from lightning_autobalance.problems.burgers_1d import Burgers1D
from lightning_autobalance.problems.helmholtz_2d import Helmholtz2D
from lightning_autobalance.problems.poisson_inverse_2d import PoissonInverse2D
from lightning_autobalance.problems.reaction_diffusion_1d import ReactionDiffusion1D

__all__ = ["Helmholtz2D", "PoissonInverse2D", "ReactionDiffusion1D", "Burgers1D"]
