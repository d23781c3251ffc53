"""u_t = L u + N(u) on a periodic interval: Fourier in x, exponential time differencing of order 4 in t.

Derivatives are exact for trigonometric polynomials at n points in x. In t, ETDRK4 integrates the linear part exactly;
its coefficients, which cancel near 0, are means over a circle around each eigenvalue. The errors stated are relative L2
differences from half as many points and steps.

Reference: A.-K. Kassam and L. N. Trefethen, "Fourth-order time-stepping for stiff PDEs", SIAM J. Sci. Comput. 26, 2005.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.references.table import Errors, Table, relative_l2

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
CIRCLE = np.exp(2j * np.pi * (np.arange(64) + 0.5) / 64)


@dataclass(frozen=True)
class Equation:
    """What differs between the equations, of k fields.

    Args:
        linear: Weight of the derivative by its order, for each field; 0 is the field itself.
        nonlinear: N is the derivative of this order of g.
        g: A function of the fields, (k, n) to (k, n).
        start: The fields at t = 0, of x, (n,), to (k, n).
        interval: Both ends of x.
        end: The last t.
    """

    linear: Sequence[dict[int, float]]
    nonlinear: int
    g: Callable[[Real], Real]
    start: Callable[[Real], Real]
    interval: tuple[float, float]
    end: float

    def solved(self, n: int, steps: int, times: int) -> Real:
        """Values (k, times + 1, n) at even times; ``steps`` is a multiple of ``times``."""
        low, high = self.interval
        ik = 2j * np.pi / (high - low) * np.fft.rfftfreq(n, 1 / n)
        odd = ik * (np.arange(len(ik)) < n // 2)  # the highest mode has no odd derivative on the grid
        symbol = np.array([sum(w * _power(ik, odd, order) for order, w in each.items()) for each in self.linear])
        outer = _power(ik, odd, self.nonlinear)
        step = _etdrk4(symbol, self.end / steps, lambda v: outer * np.fft.rfft(self.g(np.fft.irfft(v, n))))
        v = np.fft.rfft(self.start(low + (high - low) * np.arange(n) / n))
        found = [v]
        for _ in range(times):
            for _ in range(steps // times):
                v = step(v)
            found.append(v)
        return np.fft.irfft(np.stack(found, axis=1), n)

    def table(self, names: Sequence[str], n: int, steps: int, points: int, times: int) -> tuple[Table, Errors]:
        """The solution at ``points + 1`` places, both ends included, and ``times + 1`` times, and its errors."""
        fine, coarse = (self.solved(n // each, steps // each, times)[:, :, :: n // each // points] for each in (1, 2))
        low, high = self.interval
        x, t = np.meshgrid(np.linspace(low, high, points + 1), np.linspace(0, self.end, times + 1))
        closed = np.concatenate([fine, fine[:, :, :1]], axis=2)
        columns = {name: values.ravel() for name, values in zip(names, closed, strict=True)}
        errors = {name: relative_l2(coarse[i], fine[i]) for i, name in enumerate(names)}
        return {"x": x.ravel(), "t": t.ravel(), **columns}, errors


def _power(ik: Complex, odd: Complex, order: int) -> Complex:
    return np.asarray((odd if order % 2 else ik) ** order)


def _etdrk4(symbol: Complex, h: float, nonlinear: Callable[[Complex], Complex]) -> Callable[[Complex], Complex]:
    """One step of v' = symbol v + nonlinear(v)."""
    z = h * symbol[..., None] + CIRCLE
    e = np.exp(z)
    half = h * ((np.exp(z / 2) - 1) / z).mean(axis=-1)
    first = h * ((-4 - z + e * (4 - 3 * z + z**2)) / z**3).mean(axis=-1)
    middle = h * ((2 + z + e * (z - 2)) / z**3).mean(axis=-1)
    last = h * ((-4 - 3 * z - z**2 + e * (4 - z)) / z**3).mean(axis=-1)
    whole, root = np.exp(h * symbol), np.exp(h * symbol / 2)

    def step(v: Complex) -> Complex:
        n_v = nonlinear(v)
        a = root * v + half * n_v
        n_a = nonlinear(a)
        n_b = nonlinear(root * v + half * n_a)
        n_c = nonlinear(root * a + half * (2 * n_b - n_v))
        return np.asarray(whole * v + first * n_v + 2 * middle * (n_a + n_b) + last * n_c)

    return step


ALLEN_CAHN = Equation(
    linear=[{2: 1e-4, 0: 5.0}],
    nonlinear=0,
    g=lambda u: -5 * u**3,
    start=lambda x: (x**2 * np.cos(np.pi * x))[None],
    interval=(-1.0, 1.0),
    end=1.0,
)
KDV = Equation(
    linear=[{3: -0.0025}],
    nonlinear=1,
    g=lambda u: -(u**2) / 2,
    start=lambda x: np.cos(np.pi * x)[None],
    interval=(-1.0, 1.0),
    end=1.0,
)
KURAMOTO_SIVASHINSKY = Equation(
    linear=[{2: -100 / 16**2, 4: -100 / 16**4}],
    nonlinear=1,
    g=lambda u: -100 / 16 * u**2 / 2,
    start=lambda x: (np.cos(x) * (1 + np.sin(x)))[None],
    interval=(0.0, 2 * np.pi),
    end=1.0,
)
GRAY_SCOTT = Equation(
    linear=[{2: 1e-5, 0: -0.04}, {2: 5e-6, 0: -0.1}],
    nonlinear=0,
    g=lambda w: np.stack([0.04 - w[0] * w[1] ** 2, w[0] * w[1] ** 2]),
    start=lambda x: np.stack([1 - np.exp(-80 * (x + 0.05) ** 2), np.exp(-80 * (x - 0.05) ** 2)]),
    interval=(-1.0, 1.0),
    end=20.0,
)


def allen_cahn() -> tuple[Table, Errors]:
    """u_t = 1e-4 u_xx + 5 u - 5 u³, u = x² cos(πx) at t = 0, whose derivative jumps where the ends meet."""
    return ALLEN_CAHN.table("u", n=4096, steps=2000, points=512, times=50)


def kdv() -> tuple[Table, Errors]:
    """u_t + u u_x + 0.0025 u_xxx = 0, u = cos(πx) at t = 0."""
    return KDV.table("u", n=512, steps=4000, points=256, times=100)


def kuramoto_sivashinsky() -> tuple[Table, Errors]:
    """PINNacle's equation, u = cos(x) (1 + sin(x)) at t = 0."""
    return KURAMOTO_SIVASHINSKY.table("u", n=1024, steps=8000, points=512, times=100)


def gray_scott() -> tuple[Table, Errors]:
    """u_t = 1e-5 u_xx + 0.04 (1 - u) - u v² and v_t = 5e-6 v_xx - 0.1 v + u v², from two bumps."""
    return GRAY_SCOTT.table("uv", n=1024, steps=4000, points=256, times=50)
