"""Numbers of the benchmarks that were computed by other means."""

import pytest
import torch

from lightning_autobalance.checks import check_exact
from lightning_autobalance.module import PINNModule
from lightning_autobalance.problems import (
    HeatInverse2D,
    HeatMultiscale2D,
    HeatND,
    Helmholtz2D,
    PoissonBoltzmann2D,
    PoissonInverse2D,
    PoissonInverseNoisy2D,
    PoissonND,
    ReactionDiffusion1D,
    Wave1D,
)


def at(*coordinates: float) -> torch.Tensor:
    return torch.tensor([coordinates], dtype=torch.float64)


def test_helmholtz() -> None:
    problem = Helmholtz2D()
    x = at(0.13, 0.27)
    with problem.field_replaced(lambda x: 0 * problem.exact(x)):
        source = -problem.residuals({"interior": x, "boundary": x})["pde"]
    assert source.item() == pytest.approx(390.9764152241, abs=1e-8)
    assert problem.exact(x).item() == pytest.approx(-0.7938926261, abs=1e-9)
    grid = torch.as_tensor(problem.domain.grid(90_000))
    assert problem.exact(grid).square().mean().item() == pytest.approx(0.25, rel=1e-2)


def test_reaction_diffusion() -> None:
    problem = ReactionDiffusion1D()
    x = at(1.0, 0.5)
    with problem.field_replaced(lambda x: 0 * problem.exact(x)):
        reaction = -problem.residuals({"interior": x, "boundary": x, "initial": x})["pde"]
    assert reaction.item() == pytest.approx(4.0597844617, abs=1e-9)
    assert problem.exact(x).item() == pytest.approx(0.7749210741, abs=1e-9)


def test_reaction_diffusion_measures_the_initial_state_and_both_ends() -> None:
    problem = ReactionDiffusion1D().double()
    edge = torch.tensor([[-torch.pi, 0.3], [torch.pi, 0.7]], dtype=torch.float64)
    start = torch.tensor([[0.4, 0.0]], dtype=torch.float64)
    with problem.field_replaced(lambda x: 0 * x[:, :1]):
        boundary = problem.residuals({"interior": start, "boundary": edge, "initial": start})["boundary"]
    torch.testing.assert_close(boundary[:2], torch.zeros(2, 1, dtype=torch.float64))
    assert boundary[2].item() == pytest.approx(-problem.exact(start).item())


def test_poisson_inverse() -> None:
    problem = PoissonInverse2D()
    assert problem.source(at(0.2, 0.5)).item() == pytest.approx(4.6804444670, abs=1e-9)
    assert problem.source(at(0.3, 0.7)).item() == pytest.approx(5.4689237886, abs=1e-9)
    assert problem.exact(at(0.2, 0.5))[0, 1].item() == pytest.approx(0.4587155963, abs=1e-9)


def test_measurements_follow_their_seed_and_noise() -> None:
    exact = PoissonInverse2D(noise_std=0.0, data_seed=1)
    torch.testing.assert_close(exact.u_values, exact.exact(exact.u_points)[:, :1])
    torch.testing.assert_close(exact.a_values, exact.exact(exact.a_points)[:, 1:])
    noisy = PoissonInverse2D(noise_std=0.1, data_seed=1, u_points=4000)
    noise = noisy.u_values - noisy.exact(noisy.u_points)[:, :1]
    assert noise.std().item() == pytest.approx(0.1, rel=0.05)
    torch.testing.assert_close(noisy.a_values, noisy.exact(noisy.a_points)[:, 1:])
    again = PoissonInverse2D(noise_std=0.1, data_seed=1, u_points=4000)
    assert torch.equal(noisy.u_values, again.u_values)
    assert not torch.equal(PoissonInverse2D(data_seed=2).u_values, PoissonInverse2D(data_seed=1).u_values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise_std": -0.1}, "`noise_std` must be finite and >= 0, got -0.1"),
        ({"u_points": 0}, "`u_points` must be >= 1, got 0"),
    ],
)
def test_bad_measurements_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PoissonInverse2D(**options)


def test_sources_of_pinnacle() -> None:
    assert HeatInverse2D.source(at(0.3, 0.35, 0.5)).item() == pytest.approx(20.5947326401, abs=1e-9)
    assert PoissonBoltzmann2D.source(at(0.5, 0.125)).item() == pytest.approx(172.65625, abs=1e-9)
    assert HeatMultiscale2D().exact(at(0.025, 0.5, 1.0)).item() == pytest.approx(0.3672913047, abs=1e-9)  # exp(-1.0016)


@pytest.mark.parametrize(("kind", "d"), [(PoissonND, 2), (PoissonND, 10), (HeatND, 3)])
def test_any_dimension(kind: type[PoissonND | HeatND], d: int) -> None:
    problem = kind(d=d)
    assert len(problem.domain.coordinates) == d + (kind is HeatND)
    assert max(check_exact(problem).values()) < 1e-10


def test_many_noisy_measurements_follow_their_seed() -> None:
    for kind in (PoissonInverseNoisy2D, HeatInverse2D):
        first, again, other = (kind(data_seed=seed) for seed in (1, 1, 2))
        noise = first.u_values - first.exact(first.u_points)[:, :1]
        assert len(noise) == 2500
        assert noise.std().item() == pytest.approx(0.1, rel=0.05)
        assert torch.equal(first.u_values, again.u_values)
        assert not torch.equal(first.u_values, other.u_values)
    grid = PoissonInverseNoisy2D(grid=3).u_points
    assert sorted(map(tuple, grid.tolist())) == [(x / 2, y / 2) for x in range(3) for y in range(3)]


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (PoissonInverseNoisy2D, {"noise_std": -0.1}, "`noise_std` must be finite and >= 0, got -0.1"),
        (PoissonInverseNoisy2D, {"grid": 1}, "`grid` must be >= 2, got 1"),
        (HeatInverse2D, {"u_points": 0}, "`u_points` must be >= 1, got 0"),
        (PoissonND, {"d": 0}, "`d` must be >= 1, got 0"),
        (HeatND, {"d": 0}, "`d` must be >= 1, got 0"),
        (Wave1D, {"a": 0}, "`a` must be >= 1, got 0"),
    ],
)
def test_bad_options_are_refused(kind: type[PINNModule], options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**options)
