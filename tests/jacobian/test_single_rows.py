"""One backward pass per row."""

import torch

from lightning_autobalance.jacobian.single_rows import gradients_of_rows, rows_one_by_one


def test_rows_are_the_gradients_of_the_values() -> None:
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    unused = torch.zeros(3, requires_grad=True)
    values = torch.stack([w[0] ** 2, w[0] * w[1], *(i * w[1] for i in range(40))])
    found = rows_one_by_one(values, [w, unused])
    assert found.shape == (42, 5)
    assert found[:2].tolist() == [[2.0, 0.0, 0.0, 0.0, 0.0], [-2.0, 1.0, 0.0, 0.0, 0.0]]
    assert found[2:, 1].tolist() == [float(i) for i in range(40)]


def test_an_operation_that_cannot_be_batched() -> None:
    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            return 2 * x

        @staticmethod
        def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
            return torch.tensor(2.0 * float(gradient.sum())) * torch.ones_like(gradient)

    w = torch.tensor([3.0], requires_grad=True)
    values = Own.apply(w) * torch.tensor([1.0, 2.0])
    assert gradients_of_rows(values, [w]).tolist() == [[2.0], [4.0]]
