"""The Jacobian of rows against one backward pass per row, for every kind of residual."""

from collections.abc import Callable, Mapping, Sequence

import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives import partials
from lightning_autobalance.jacobian import DenseBlock, RowJacobians
from lightning_autobalance.nets import MLP, FourierFeatures, ModifiedMLP

ByPart = Mapping[str, Tensor]
COUNTS = {"inside": 9, "edge": 5}


def reference(residuals: Callable[[ByPart], Mapping[str, Tensor]], points: ByPart, params: Sequence[Tensor]) -> Tensor:
    rows = []
    for values in residuals(points).values():
        for value in values.flatten():
            reaching = value + 0 * params[0].sum()
            found = torch.autograd.grad(reaching, params, retain_graph=True, allow_unused=True, materialize_grads=True)
            rows.append(torch.cat([g.flatten() for g in found]))
    return torch.stack(rows)


class Problems(nn.Module):
    """Residuals of a network at 9 points inside and 5 at the edge, with an unknown coefficient."""

    def __init__(self, net: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = (net or MLP(2, 2, [6, 5])).double()
        self.nu = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))
        self.points = {name: torch.rand(count, 2, dtype=torch.float64) for name, count in COUNTS.items()}
        self.params = [*self.net.parameters(), self.nu]

    def derivatives(self, points: ByPart, mode: str = "taylor") -> Sequence[Tensor]:
        names = ("", "x", "xx", "yy", "xy", "xx+yy")
        return partials(self.net, points["inside"], *names, coordinates=("x", "y"), mode=mode)  # type: ignore[arg-type]

    def plain(self, points: ByPart) -> dict[str, Tensor]:
        u, u_x, u_xx, u_yy, u_xy, laplacian = self.derivatives(points)
        pde = u_xx[:, 0] * u[:, 1] + u_yy[:, 0] + u_xy[:, 1] - torch.sin(laplacian[:, 0]) + u_x[:, 0] ** 2
        return {"pde": pde, "boundary": self.net(points["edge"])[:, 0] - 1}

    def several_columns(self, points: ByPart) -> dict[str, Tensor]:
        u, u_x, *_ = self.derivatives(points)
        return {"system": torch.cat([u * u_x, u_x[:, :1]], dim=1), "boundary": self.net(points["edge"])}

    def unknown_coefficient(self, points: ByPart) -> dict[str, Tensor]:
        u, _, u_xx, *_ = self.derivatives(points)
        return {"pde": u[:, 0] - self.nu**2 * u_xx[:, 0], "boundary": self.net(points["edge"])[:, 0]}

    def rows_of_several_calls(self, points: ByPart) -> dict[str, Tensor]:
        return {"data": torch.cat([self.net(points["edge"])[:, :1], 2 * self.net(points["inside"])[:, 1:]]).flatten()}

    def periodic(self, points: ByPart) -> dict[str, Tensor]:
        other = points["edge"] + torch.tensor([1.0, 0.0], dtype=torch.float64)
        return {"periodic": self.net(points["edge"]) - self.net(other)}

    def reordered(self, points: ByPart) -> dict[str, Tensor]:
        return {"flipped": self.net(points["inside"]).flip(0)[:7, 1]}

    def integral(self, points: ByPart) -> dict[str, Tensor]:
        u, *_ = self.derivatives(points)
        return {"pde": u[:, 0] ** 2, "mean": u.mean(dim=0)}

    def relative_to_the_mean(self, points: ByPart) -> dict[str, Tensor]:
        u = self.net(points["inside"])[:, 0]
        return {"centred": u - u.mean()}

    def reverse(self, points: ByPart) -> dict[str, Tensor]:
        u, _, u_xx, *_ = self.derivatives(points, "reverse")
        return {"pde": u[:, 0] + u_xx[:, 1]}

    def weight_outside_its_layer(self, points: ByPart) -> dict[str, Tensor]:
        weight = next(self.net.parameters())
        return {"pde": self.net(points["inside"])[:, 0] * weight.square().sum()}

    def independent(self, points: ByPart) -> dict[str, Tensor]:
        return {"nothing": torch.ones(3, dtype=torch.float64), "pde": self.net(points["inside"])[:, 0]}

    def empty(self, points: ByPart) -> dict[str, Tensor]:
        return {"none": self.net(points["inside"][:0])[:, 0], "pde": self.net(points["inside"])[:, 0]}


FAST = ("plain", "several_columns", "unknown_coefficient", "rows_of_several_calls", "periodic", "reordered")
SLOW = ("integral", "relative_to_the_mean", "reverse", "weight_outside_its_layer", "independent", "empty")


def test_the_list_is_complete() -> None:
    known = {name for name in vars(Problems) if not name.startswith("_")} - {"derivatives"}
    assert known == {*FAST, *SLOW}


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_every_row(name: str) -> None:
    problems = Problems()
    build, residuals = RowJacobians(problems), getattr(problems, name)
    for _ in range(2):  # the second time with what the first found out
        found, jacobian = build(residuals, problems.points, problems.params)
        expected = reference(residuals, problems.points, problems.params)
        assert jacobian.shape == expected.shape
        torch.testing.assert_close(jacobian.dense(), expected)
        torch.testing.assert_close(jacobian.row_squares(), expected.square().sum(dim=1))
        for term, values in residuals(problems.points).items():
            torch.testing.assert_close(found[term], values.detach())
        with torch.no_grad():
            for p in problems.params:
                p.add_(0.1 * torch.randn_like(p))


@pytest.mark.parametrize("name", FAST)
def test_pointwise_rows_take_no_backward_pass_each(name: str) -> None:
    problems = Problems()
    _, jacobian = RowJacobians(problems)(getattr(problems, name), problems.points, problems.params)
    width = sum(p.numel() for p in problems.params)
    assert not any(isinstance(block, DenseBlock) and block.values.shape[1] == width for block in jacobian.blocks)


@pytest.mark.parametrize("net", [FourierFeatures(2, 2, [5]), ModifiedMLP(2, 2, [6, 6]), nn.Linear(2, 2)], ids=str)
def test_other_networks(net: nn.Module) -> None:
    problems = Problems(net)
    residuals = problems.several_columns
    _, jacobian = RowJacobians(problems)(residuals, problems.points, problems.params)
    torch.testing.assert_close(jacobian.dense(), reference(residuals, problems.points, problems.params))


def test_other_numbers_of_points_are_found_out_anew() -> None:
    problems = Problems()
    build, residuals = RowJacobians(problems), problems.rows_of_several_calls
    build(residuals, problems.points, problems.params)
    problems.points["edge"] = torch.rand(8, 2, dtype=torch.float64)
    _, jacobian = build(residuals, problems.points, problems.params)
    torch.testing.assert_close(jacobian.dense(), reference(residuals, problems.points, problems.params))


def test_parameters_of_nobody_are_done_row_by_row() -> None:
    problems = Problems()
    _, jacobian = RowJacobians(nn.Module())(problems.reverse, problems.points, problems.params)
    torch.testing.assert_close(jacobian.dense(), reference(problems.reverse, problems.points, problems.params))
