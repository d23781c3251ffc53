"""The sine."""

import torch

from lightning_autobalance.nets import Sin


def test_values() -> None:
    z = torch.linspace(-3, 3, 13)
    found = Sin().derivatives(z, 4)
    for ours, theirs in zip(found, [z.sin(), z.cos(), -z.sin(), -z.cos(), z.sin()], strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(Sin()(z), z.sin())
