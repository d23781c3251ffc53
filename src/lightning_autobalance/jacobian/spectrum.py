"""Spectra of Hessians: all eigenvalues of small ones, weighted Ritz values of large ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_autobalance.jacobian.lanczos import Ritz, lanczos
from lightning_autobalance.jacobian.operators import Operator, dense, hessian, scaled
from lightning_autobalance.shapes import Gradient, Scalar
from lightning_autobalance.utils.arguments import check_at_least, check_interval

CONVERGED = 1e-6  # a Ritz value whose error is below this, relative to the largest one, counts as an eigenvalue
SIMPLE = 12.0  # it is simple if its estimated multiplicity is below this, which a simple one exceeds 1 in 2000 times


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a symmetric matrix, or weighted Ritz values that approximate their distribution.

    Args:
        eigenvalues: In ascending order, (k,).
        weights: Fraction of the n eigenvalues that each one represents, (k,); they sum to 1.
        size: n, the number of rows of the matrix.
        exact: Whether these are all n eigenvalues, and not Ritz values.
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

    Up to ``exact_up_to`` rows: all eigenvalues of the dense matrix, for n products. Above: stochastic Lanczos
    quadrature, which gives Ritz values and weights from random start vectors for ``steps * probes`` products. Extreme
    eigenvalues and means over the spectrum are then accurate; eigenvalues close to zero are not resolved.

    The quadrature weight of a single large eigenvalue is random and would dominate the error of the means, so a
    converged Ritz value counts as one simple eigenvalue. It keeps its weight only if that indicates a multiplicity of a
    dozen or more; multiplicities of 2 to about 10, which are rare in Hessians of networks, are underestimated.

    Args:
        operator: Of size n.
        like: A vector (n,) that gives size, type and device.
        exact_up_to: The largest n for which all eigenvalues are computed.
        steps: Lanczos steps per start vector.
        probes: Number of start vectors.
        generator: Draws the start vectors, on the CPU; by default one with seed 0. Torch's global random state is
            neither used nor changed.

    Raises:
        ValueError: If a number is out of its range, or a product is not finite.

    Reference:
        Ubaru, Chen and Saad, Fast estimation of tr(f(A)) via stochastic Lanczos quadrature, SIAM J. Matrix Anal. Appl.
        38 (2017).
    """
    for name, value in {"steps": steps, "probes": probes}.items():
        check_at_least(name, value, 1)
    size = len(like)
    if size <= exact_up_to:
        eigenvalues = torch.linalg.eigvalsh(_finite(dense(operator, like)))
        return Spectrum(eigenvalues, torch.full_like(eigenvalues, 1 / size), size, exact=True)
    random = generator if generator is not None else torch.Generator().manual_seed(0)
    starts = [torch.randn(size, generator=random, dtype=torch.float64).to(like) for _ in range(probes)]
    runs = [lanczos(lambda vector: _finite(operator(vector)), start, steps) for start in starts]
    eigenvalues, order = torch.cat([ritz.values for ritz in runs]).sort()
    weights = torch.cat([_corrected_weights(ritz, size) for ritz in runs])[order] / probes
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
    r"""The spectrum of a loss's Hessian H, or of the preconditioned :math:`S H S`.

    For Adam's preconditioner :math:`D = \mathrm{diag}(\sqrt{\hat v} + \epsilon)`, S is :math:`D^{-1/2}`.

    Args:
        loss: 0-dim, with a graph that can be differentiated twice. Use float64 if eigenvalues below 1e-6 of the largest
            matter.
        params: The parameters, n elements in total.
        scale: The diagonal of S, (n,), in the order of ``params``; the identity by default.
        exact_up_to: The largest n for which all eigenvalues are computed, from n products with H.
        steps: Lanczos steps per start vector, for larger n.
        probes: Number of start vectors.
        generator: Draws the start vectors; see `spectrum_of`.

    Raises:
        ValueError: If a number is out of its range, or the loss has no graph.
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
    r"""The largest eigenvalue relative to the mean, or to the smallest above a cut-off, in absolute value.

    .. math:: \kappa = \frac{\max_i |\lambda_i|}{\frac{1}{n} \sum_i |\lambda_i|}
        \qquad\text{or}\qquad
        \kappa_c = \frac{\max_i |\lambda_i|}{\min \{ |\lambda_i| : |\lambda_i| > c \max_j |\lambda_j| \}}

    Args:
        spectrum: Of any symmetric matrix.
        cutoff: c, in [0, 1); None divides by the mean, which gives a number between 1 and n.

    Returns:
        The condition number; infinite if all eigenvalues are zero.

    Raises:
        ValueError: If ``cutoff`` is not in [0, 1).

    Note:
        The AutoBalance paper reports an effective condition number without defining it. Hessians of PINNs have
        eigenvalues of all magnitudes down to zero, so a cut-off gives about 1 / c, whatever the matrix. The mean needs
        no cut-off, and Lanczos quadrature estimates it well. ``cutoff=0`` gives the classical condition number of a
        regular matrix.
    """
    if cutoff is not None:
        check_interval("cutoff", cutoff, 0, 1)
    magnitudes = spectrum.eigenvalues.abs()
    largest = float(magnitudes.max())
    if largest == 0.0:
        return float("inf")
    if cutoff is None:
        return largest / float((spectrum.weights * magnitudes).sum())
    return largest / float(magnitudes[magnitudes > cutoff * largest].min())


def _corrected_weights(ritz: Ritz, size: int) -> Tensor:
    """Quadrature weights with 1 / n for each converged simple eigenvalue; the others are scaled to sum to the rest."""
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
