"""Made-up measurements for the examples of inverse problems, as tables of columns.

Rounded to a few digits, as an instrument would; with noise where the example is about noise.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.references.table import Table

Real = NDArray[np.float64]
VISCOSITY = 0.05
MODES = 32  # of the flow, in each direction
STEPS = 200


def flow(count: int = 5000, end: float = 1.0, side: float = 3.0) -> Table:
    """Velocities u and v of a flow with viscosity 0.05 at random points of a square, (0, 3)², and times up to 1.

    Periodic on (0, 2π)², from two vortex arrays of different wave numbers, so that its convection is no gradient:
    the vorticity w has w_t + u·∇w = 0.05 Δw, in Fourier modes, by the classical Runge-Kutta method with the viscous
    part integrated exactly.
    """
    rng = np.random.default_rng(0)
    times = rng.integers(1, STEPS + 1, count)
    x, y = rng.uniform(0, side, (2, count))
    states = dict(enumerate(_vorticities(end)))
    u, v = np.empty(count), np.empty(count)
    for step in np.unique(times):
        at = times == step
        u[at], v[at] = (_values(hat, x[at], y[at]) for hat in _velocity(states[step]))
    return {"x": x, "y": y, "t": end * times / STEPS, "u": u, "v": v}


def heat(noise_std: float = 0.02) -> Table:
    """Values of u = exp(-0.3 π² t) sin(πx) with noise at three probes and 20 times up to 0.5."""
    x, t = (each.ravel() for each in np.meshgrid([0.25, 0.5, 0.7], np.linspace(0.025, 0.5, 20)))
    noise = np.random.default_rng(0).normal(0, noise_std, x.shape)
    return {"x": x, "t": t, "u": np.exp(-0.3 * np.pi**2 * t) * np.sin(np.pi * x) + noise}


MEASURED: dict[str, Callable[[], Table]] = {"navier_stokes_inverse": flow, "heat_probes": heat}


def _wave_numbers() -> tuple[Real, Real]:
    k = np.fft.fftfreq(MODES, 1 / MODES).astype(np.float64)
    return k[:, None], k[None, :]


def _vorticities(end: float) -> list[NDArray[np.complex128]]:
    """Fourier coefficients at all steps, the start included."""
    kx, ky = _wave_numbers()
    grid = 2 * np.pi * np.arange(MODES) / MODES
    x, y = grid[:, None], grid[None, :]
    w = np.fft.fft2(2 * np.sin(x) * np.sin(y) + 1.5 * np.cos(2 * x + 0.5) * np.cos(y + 1))
    step = end / STEPS
    half = np.exp(-VISCOSITY * (kx**2 + ky**2) * step / 2)
    found = [w]
    for _ in range(STEPS):
        a = _convection(w)
        b = _convection(half * (w + step / 2 * a))
        c = _convection(half * w + step / 2 * b)
        d = _convection(half**2 * w + step * half * c)
        w = half**2 * w + step / 6 * (half**2 * a + 2 * half * (b + c) + d)
        found.append(w)
    return found


def _velocity(w: NDArray[np.complex128]) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    kx, ky = _wave_numbers()
    square = np.where(kx**2 + ky**2 > 0, kx**2 + ky**2, 1)
    return np.asarray(1j * ky * w / square), np.asarray(-1j * kx * w / square)


def _convection(w: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """-u·∇w, without what the product folds back onto the modes that are kept."""
    kx, ky = _wave_numbers()
    u, v = _velocity(w)
    fields = [np.fft.ifft2(each).real for each in (u, v, 1j * kx * w, 1j * ky * w)]
    product: NDArray[np.complex128] = np.fft.fft2(fields[0] * fields[2] + fields[1] * fields[3])
    kept = (np.abs(kx) < MODES / 3) & (np.abs(ky) < MODES / 3)
    return np.where(kept, -product, 0)


def _values(hat: NDArray[np.complex128], x: Real, y: Real) -> Real:
    """A trigonometric polynomial at points."""
    kx, ky = (k.ravel() for k in _wave_numbers())
    along_x, along_y = np.exp(1j * x[:, None] * kx), np.exp(1j * y[:, None] * ky)
    values: Real = np.einsum("na,ab,nb->n", along_x, hat, along_y).real / MODES**2
    return values


def write(name: str, folder: Path) -> Path:
    """Write one of them as ``<name>.csv``, with five digits after the point.

    Args:
        name: Of `MEASURED`.
        folder: Created if it does not exist.
    """
    columns = MEASURED[name]()
    path = folder / f"{name}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    rows = np.stack(list(columns.values()), axis=1)
    np.savetxt(path, rows, fmt="%.5f", delimiter=",", header=",".join(columns), comments="")
    return path
