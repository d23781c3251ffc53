"""Spectra of Hessians: all eigenvalues of a small one, Ritz values with weights of a large one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_autobalance.jacobian.lanczos import Ritz, lanczos
from lightning_autobalance.jacobian.operators import Operator, dense, hessian, scaled
from lightning_autobalance.shapes import Gradient, Scalar

CONVERGED = 1e-6  # error of a Ritz value, relative to the largest, from which on it counts as an eigenvalue
SIMPLE = 12.0  # estimated multiplicity below which it counts as simple: a simple one exceeds this once in 2000 times


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a symmetric matrix, or what stands for them.

    Args:
        eigenvalues: In rising order, (k,).
        weights: The share of all eigenvalues that each stands for, (k,); they sum to 1.
        size: Number n of rows of the matrix.
        exact: Whether these are the n eigenvalues themselves; else they are Ritz values.
    """

    eigenvalues: Tensor
    weights: Tensor
    size: int
    exact: bool


def spectrum_of(
    operator: Operator,
    like: Gradient,
    *,
    exact_up_to: int = 1000,
    steps: int = 100,
    probes: int = 1,
    generator: torch.Generator | None = None,
) -> Spectrum:
    """The spectrum of a symmetric operator.

    Up to a size, all eigenvalues of the dense matrix, for n products. Above it stochastic Lanczos quadrature: Ritz
    values and weights from random start vectors, for ``steps * probes`` products. The extreme eigenvalues are then
    accurate, and so are means over the spectrum; eigenvalues close to zero are not told apart. A Ritz value that has
    converged counts as one simple eigenvalue, whatever its random weight: large eigenvalues are few, and would make
    the means as random as that weight. One whose weight says that it stands for a dozen or more keeps it; an eigenvalue
    of multiplicity 2 to about 10, which Hessians of networks hardly have, is counted too low.

    Args:
        operator: Of size n.
        like: Any vector of the right size, type and device, (n,).
        exact_up_to: The largest n with exact eigenvalues.
        steps: Lanczos steps for each start vector.
        probes: Number of start vectors.
        generator: Of the start vectors, on the CPU; by default one with seed 0. Torch's own random state is not used.

    Raises:
        ValueError: If a number is out of its range, or a product is not finite.

    Reference:
        Ubaru, Chen and Saad, Fast estimation of tr(f(A)) via stochastic Lanczos quadrature, SIAM J. Matrix Anal. Appl.
        38 (2017).
    """
    for name, value in {"steps": steps, "probes": probes}.items():
        if value < 1:
            raise ValueError(f"`{name}` must be >= 1, got {value}.")
    size = len(like)
    if size <= exact_up_to:
        eigenvalues = torch.linalg.eigvalsh(_finite(dense(operator, like)))
        return Spectrum(eigenvalues, torch.full_like(eigenvalues, 1 / size), size, exact=True)
    source = generator if generator is not None else torch.Generator().manual_seed(0)
    starts = [torch.randn(size, generator=source, dtype=torch.float64).to(like) for _ in range(probes)]
    found = [lanczos(lambda vector: _finite(operator(vector)), start, steps) for start in starts]
    eigenvalues, order = torch.cat([ritz.values for ritz in found]).sort()
    weights = torch.cat([_counted(ritz, size) for ritz in found])[order] / probes
    return Spectrum(eigenvalues, weights, size, exact=False)


def hessian_spectrum(
    loss: Scalar,
    params: Sequence[Tensor],
    scale: Gradient | None = None,
    *,
    exact_up_to: int = 1000,
    steps: int = 100,
    probes: int = 1,
    generator: torch.Generator | None = None,
) -> Spectrum:
    r"""The spectrum of a loss's Hessian by the parameters, plain or preconditioned, :math:`S H S`.

    Adam's preconditioner :math:`D = \mathrm{diag}(\sqrt{\hat v} + \epsilon)` is given as ``scale`` = ``D**-0.5``.

    Args:
        loss: 0-dim, with a graph that can be differentiated twice. Use float64 where eigenvalues below 1e-6 of the
            largest matter.
        params: The n parameters.
        scale: The diagonal of S, (n,), in the order of ``params``; none leaves H as it is.
        exact_up_to: The largest n with exact eigenvalues, for n products with the Hessian.
        steps: Above it, Lanczos steps for each start vector.
        probes: Number of start vectors.
        generator: Of the start vectors; see `spectrum_of`.

    Raises:
        ValueError: If a number is out of its range, or the loss depends on no parameter.
    """
    operator = hessian(loss, params)
    like = torch.cat([p.detach().reshape(-1) for p in params])
    return spectrum_of(
        operator if scale is None else scaled(operator, scale),
        like,
        exact_up_to=exact_up_to,
        steps=steps,
        probes=probes,
        generator=generator,
    )


def effective_condition_number(spectrum: Spectrum, cutoff: float | None = None) -> float:
    r"""How much larger the largest eigenvalue is than the others, by size.

    .. math:: \kappa = \frac{\max_i |\lambda_i|}{\frac{1}{n} \sum_i |\lambda_i|}
        \qquad\text{or}\qquad
        \kappa_c = \frac{\max_i |\lambda_i|}{\min \{ |\lambda_i| : |\lambda_i| > c \max_j |\lambda_j| \}}

    Args:
        spectrum: Of any symmetric matrix.
        cutoff: c, from 0. None divides by the mean, which lies between 1 and n.

    Returns:
        The number; infinite where all eigenvalues are zero.

    Raises:
        ValueError: If ``cutoff`` is not in [0, 1).

    Note:
        The AutoBalance paper shows an effective condition number and does not define it. The Hessians of PINNs have
        eigenvalues of every size down to zero: with a cut-off the second number is then about 1 / c, whatever the
        matrix. The mean needs no cut-off, and Lanczos quadrature estimates it. ``cutoff=0`` gives the classical
        condition number of a regular matrix.
    """
    sizes = spectrum.eigenvalues.abs()
    largest = float(sizes.max())
    if cutoff is not None and not 0.0 <= cutoff < 1.0:
        raise ValueError(f"`cutoff` must be in [0, 1), got {cutoff}.")
    if largest == 0.0:
        return float("inf")
    if cutoff is None:
        return largest / float((spectrum.weights * sizes).sum())
    return largest / float(sizes[sizes > cutoff * largest].min())


def _counted(ritz: Ritz, size: int) -> Tensor:
    """The weights, with 1 / n for each simple eigenvalue that was found, and the others scaled to sum to the rest."""
    largest = ritz.values.abs().max()
    simple = (ritz.errors <= CONVERGED * largest) & (ritz.weights * size < SIMPLE)
    others = torch.where(simple, 0.0, ritz.weights)
    if not others.any():
        return ritz.weights
    rest = 1 - float(simple.sum()) / size
    return torch.where(simple, 1 / size, others * rest / others.sum())


def _finite(product: Tensor) -> Tensor:
    if not torch.isfinite(product).all():
        raise ValueError("The Hessian must be finite, got NaN or infinite elements. Look at the loss and its gradient.")
    return product
