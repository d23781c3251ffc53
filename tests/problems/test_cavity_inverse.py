"""The measured velocities of the cavity."""

import pytest
import torch

from lightning_autobalance.problems import CavityInverse
from lightning_autobalance.training.unknowns import unknowns


def test_measurements_are_of_the_inside_and_follow_seed_and_noise() -> None:
    problem = CavityInverse(count=30)
    assert problem.places.shape == problem.velocities.shape == (30, 2)
    assert ((problem.places > 0) & (problem.places < 1)).all()
    assert len(problem.places.unique(dim=0)) == 30
    assert torch.equal(problem.velocities, CavityInverse(count=30).velocities)
    assert not torch.equal(problem.places, CavityInverse(count=30, data_seed=1).places)
    noisy = CavityInverse(count=2000, noise_std=0.1)
    assert torch.equal(noisy.places, CavityInverse(count=2000).places)
    noise = noisy.velocities - CavityInverse(count=2000).velocities
    assert noise.std().item() == pytest.approx(0.1, rel=0.05)


def test_the_viscosity_is_unknown() -> None:
    problem = CavityInverse()
    assert unknowns(problem)["viscosity"].item() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"count": 0}, "`count` must be >= 1, got 0"), ({"noise_std": -1.0}, "`noise_std` must be finite and >= 0")],
)
def test_bad_measurements_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CavityInverse(**options)
