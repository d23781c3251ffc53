"""The random baseline."""

import pytest
import torch
from torch.testing import assert_close

from helpers.balancing import view_of
from lightning_autobalance.balancing import RandomWeights


def drawn(seed: int, steps: int = 1000) -> torch.Tensor:
    method = RandomWeights(seed)
    return torch.stack([method(view_of([[1.0], [2.0], [3.0]], step=step)) for step in range(steps)])


def test_logarithms_are_normal_and_weights_add_up_to_m() -> None:
    weights = drawn(0)
    assert_close(weights.sum(dim=1), torch.full((1000,), 3.0, dtype=torch.float64))
    differences = weights[:, 0].log() - weights[:, 1].log()  # of two standard normal numbers
    assert abs(differences.mean().item()) < 0.1
    assert_close(differences.std().item(), 2**0.5, rtol=0.05, atol=0.0)


def test_every_step_and_every_seed_draws_anew() -> None:
    assert len({tuple(row) for row in drawn(0, 50).tolist() + drawn(1, 50).tolist()}) == 100


def test_the_global_random_state_is_not_touched_but_gives_the_seed() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    assert torch.equal(RandomWeights()(view_of([[1.0], [1.0]])), RandomWeights(7)(view_of([[1.0], [1.0]])))
    assert torch.equal(torch.get_rng_state(), before)


def test_wrong_options() -> None:
    with pytest.raises(ValueError, match="`seed` must be >= 0, got -1"):
        RandomWeights(-1)
