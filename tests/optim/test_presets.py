"""Earlier post-combine methods, against hand-computed steps."""

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from helpers.optimizers import STEPS, parameter, path
from lightning_autobalance.optim import AutoAdamW, AutoBalance, ada_task, multi_adam


@pytest.mark.parametrize("options", [{}, {"weights": [0.5, 0.5]}])
def test_multi_adam(options: dict[str, Any]) -> None:
    expected = [[0.9000000005, -1.0000000002], [0.8555073794, -1.0000000005], [0.8200282882, -1.0120969817]]
    assert_close(path(multi_adam([parameter(1.0, -1.0)], lr=0.1, **options), STEPS), expected, rtol=0.0, atol=6e-11)


def test_ada_task() -> None:
    expected = [[0.800000001, -1.0000000005], [0.7134850474, -1.000000001], [0.6476433094, -1.0257349505]]
    assert_close(path(ada_task([parameter(1.0, -1.0)], lr=0.1), STEPS), expected, rtol=0.0, atol=6e-11)


def test_multi_adams_decay_is_part_of_each_terms_gradient() -> None:
    decaying = multi_adam([parameter(1.0, -1.0)], lr=0.1, weight_decay=0.5)
    assert isinstance(decaying, AutoBalance)
    undecayed = AutoAdamW([w := parameter(1.0, -1.0)], lr=0.1, betas=(0.99, 0.99), combine="mean")
    for jac, end in zip(STEPS, path(decaying, STEPS), strict=True):
        w.jac = torch.tensor(jac, dtype=torch.float64) + 0.5 * w.detach()  # type: ignore[attr-defined]
        undecayed.step()
        assert_close(w.tolist(), end)
