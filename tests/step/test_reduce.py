"""Shares of several processes, put together; `test_distributed` has the processes."""

import pytest
import torch

from lightning_autobalance import reduction


def test_means_are_weighted_by_counts_for_parameters_of_any_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = [  # of two processes: losses, gradients of a number, of nobody's parameter and of a matrix, counts
        (torch.tensor([1.0, 4.0]), [torch.tensor([1.0, 2.0]), None, torch.ones(2, 2, 3)], [3, 1]),
        (torch.tensor([5.0, 0.0]), [torch.tensor([5.0, 6.0]), None, torch.zeros(2, 2, 3)], [1, 1]),
    ]
    sent: list[torch.Tensor] = []
    monkeypatch.setattr(reduction, "world", lambda: 2)
    monkeypatch.setattr(reduction, "total", lambda bucket: sent.append(bucket) or bucket)
    for share in shares:
        reduction.reduced(*share)
    monkeypatch.setattr(reduction, "total", lambda _: sent[0] + sent[1])
    values, (number, nobody, matrix) = reduction.reduced(*shares[0])
    torch.testing.assert_close(values, torch.tensor([2.0, 2.0]))
    torch.testing.assert_close(number, torch.tensor([2.0, 4.0]))
    assert nobody is None
    torch.testing.assert_close(matrix, torch.stack([torch.full((2, 3), 0.75), torch.full((2, 3), 0.5)]))
