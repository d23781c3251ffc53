"""Rows from a few points at a time."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives import partials
from lightning_autobalance.jacobian.per_point import rows_per_point
from lightning_autobalance.jacobian.single_rows import rows_one_by_one

POINTS = {"inside": torch.rand(21, 2, dtype=torch.float64), "edge": torch.rand(5, 2, dtype=torch.float64)}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def rows(net: nn.Module, residuals: object, term: str) -> tuple[Tensor | None, Tensor]:
    values = residuals(POINTS)[term]  # type: ignore[operator]
    columns = values.reshape(len(values), -1)
    params = dict(net.named_parameters())
    expected = rows_one_by_one(values.flatten(), list(params.values()))
    return rows_per_point(net, residuals, POINTS, term, columns, params), expected  # type: ignore[arg-type]


def test_traced_and_untraced_residuals() -> None:
    net = network()

    def traced(points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"pde": net(points["inside"]) ** 2, "edge": net(points["edge"])[:, 0]}

    def untraced(points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u, u_xx = partials(net, points["inside"], "", "xx", coordinates=("x", "y"), mode="reverse")
        return {"pde": u * u_xx}

    for residuals, term in ((traced, "pde"), (traced, "edge"), (untraced, "pde")):
        found, expected = rows(net, residuals, term)
        assert found is not None
        torch.testing.assert_close(found, expected)


def test_rows_that_are_not_pointwise_are_left_to_others() -> None:
    net = network()

    def centred(points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u = net(points["inside"])[:, 0]
        return {"centred": u - u.mean(), "mean": u.mean()[None]}

    assert rows(net, centred, "centred")[0] is None
    assert rows(net, centred, "mean")[0] is None
