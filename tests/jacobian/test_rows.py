"""The Jacobian of rows as a sum of blocks: every product is that of the dense matrix."""

import pytest
import torch
from torch import Tensor

from lightning_autobalance.jacobian.rows import DenseBlock, LinearBlock, RowJacobian

SHAPE = (7, 11)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.fixture
def jacobian() -> RowJacobian:
    """Overlapping blocks: a weight of 2 x 3 in two streams, at all rows and at some; a bias; dense columns."""
    torch.manual_seed(0)
    return RowJacobian(
        [
            LinearBlock(slice(0, 7), slice(0, 6), random(7, 2, 2), random(7, 2, 3)),
            LinearBlock(torch.tensor([5, 1, 3]), slice(0, 6), random(3, 1, 2), random(3, 1, 3)),
            LinearBlock(slice(0, 7, 2), slice(6, 8), random(4, 1, 2), torch.ones(4, 1, 1, dtype=torch.float64)),
            DenseBlock(slice(1, 4), slice(8, 11), random(3, 3)),
        ],
        SHAPE,
        torch.zeros(1, dtype=torch.float64),
    )


def expected(jacobian: RowJacobian) -> Tensor:
    """Row by row, entry by entry."""
    matrix = torch.zeros(SHAPE, dtype=torch.float64)
    for block in jacobian.blocks:
        rows = range(SHAPE[0])[block.rows] if isinstance(block.rows, slice) else block.rows.tolist()
        for i, row in enumerate(rows):
            if isinstance(block, DenseBlock):
                matrix[row, block.columns] += block.values[i]
                continue
            for delta, x in zip(block.deltas[i], block.inputs[i], strict=True):
                matrix[row, block.columns] += torch.outer(delta, x).flatten()
    return matrix


def test_it_is_the_sum_of_its_blocks(jacobian: RowJacobian) -> None:
    torch.testing.assert_close(jacobian.dense(), expected(jacobian))


def test_products(jacobian: RowJacobian) -> None:
    matrix, v, u = expected(jacobian), random(SHAPE[1]), random(SHAPE[0])
    torch.testing.assert_close(jacobian.times(v), matrix @ v)
    torch.testing.assert_close(jacobian.transposed_times(u), matrix.T @ u)


def test_scaled_rows(jacobian: RowJacobian) -> None:
    factors = random(SHAPE[0])
    torch.testing.assert_close(jacobian.scaled(factors).dense(), factors[:, None] * expected(jacobian))


def test_some_rows(jacobian: RowJacobian) -> None:
    some = torch.tensor([1, 2, 5])
    torch.testing.assert_close(jacobian.picked(some).dense(), expected(jacobian)[some])
