"""The loss terms of every row, for the peers."""

from collections.abc import Mapping, Sequence

from benchmarks.race import evolution, steady
from benchmarks.race.terms import Term

EQUATIONS: Mapping[str, Sequence[Term]] = {
    "burgers_1d": evolution.burgers_1d(),
    "poisson_2d_classic": steady.poisson_2d_classic(),
    "poisson_boltzmann_2d": steady.poisson_boltzmann_2d(),
    "heat_multiscale_2d": evolution.heat_multiscale_2d(),
    "heat_long_time_2d": evolution.heat_long_time_2d(),
    "lid_driven_cavity": steady.lid_driven_cavity(),
    "backward_facing_step": steady.backward_facing_step(),
    "wave_1d": evolution.wave_1d(),
    "poisson_nd": steady.poisson_nd(),
    "heat_nd": evolution.heat_nd(),
    "poisson_inverse_noisy_2d": steady.poisson_inverse(),
    "heat_inverse_2d": evolution.heat_inverse_2d(),
    "allen_cahn_1d": evolution.allen_cahn_1d(),
    "convection_1d": evolution.convection_1d(),
    "kdv_1d": evolution.kdv_1d(),
}
