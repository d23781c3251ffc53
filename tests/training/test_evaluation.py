"""`evaluate`: the numbers of the network and of its derivatives, whatever the form of the points."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers.toys import Decay, Poisson2D
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.points import Interval, TimeCylinder
from lightning_autobalance.training.evaluation import as_rows, split_name


class Flow(PINNModule):
    """Two fields whose derivatives are known: u = x² t, u_re = sin x."""

    domain = TimeCylinder(Interval(0.0, 1.0), (0.0, 1.0))
    fields = ("u", "u_re")

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x[:, 0].square() * x[:, 1], torch.sin(x[:, 0])], dim=1) + 0 * self.net(x)

    def default_net(self) -> nn.Module:
        return nn.Sequential(MLP(2, 2, [4]), nn.Dropout(0.5))


X = np.random.default_rng(0).random((11, 2))


def test_the_fields_are_those_of_the_module() -> None:
    module = Poisson2D()
    x = torch.as_tensor(X, dtype=torch.float32)
    found = module.evaluate(x)
    assert list(found) == ["u"]
    assert np.array_equal(found["u"], module(x)[:, 0].detach().numpy())
    assert found["u"].dtype == np.float32


def test_named_derivatives_of_several_fields_in_float64() -> None:
    module = Flow().double()
    found = module.evaluate(X, "u_xx", "u", "u_re_x", "u_t", "u_x+t")
    x, t = X.T
    assert list(found) == ["u_xx", "u", "u_re_x", "u_t", "u_x+t"]
    assert found["u"].dtype == np.float64
    np.testing.assert_allclose(found["u"], x**2 * t, rtol=1e-14)
    np.testing.assert_allclose(found["u_xx"], 2 * t, rtol=1e-14)
    np.testing.assert_allclose(found["u_t"], x**2, rtol=1e-14)
    np.testing.assert_allclose(found["u_re_x"], np.cos(x), rtol=1e-14)
    np.testing.assert_allclose(found["u_x+t"], 2 * x * t + x**2, rtol=1e-14)


@pytest.mark.parametrize("mode", ["taylor", "reverse"])
def test_derivatives_by_either_mode_agree_with_partials(mode: Any) -> None:
    module = Poisson2D(derivatives=mode).double()
    with torch.no_grad():
        found = module.evaluate(X, "u_xx", "u_xy")
    wanted = module.partials(torch.as_tensor(X), "xx", "xy")
    for name, value in zip(("u_xx", "u_xy"), wanted, strict=True):
        np.testing.assert_allclose(found[name], value[:, 0].detach().numpy(), rtol=1e-12)


def test_batches_and_forms_of_points_give_the_same() -> None:
    module = Flow().double()
    whole = module.evaluate(X, "u", "u_x")
    columns = {"t": X[:, 1].tolist(), "x": X[:, 0], "further": "ignored"}
    for points, size in ((X, 3), (torch.as_tensor(X), 100), (columns, 11), (X.astype(np.float32), 5)):
        found = module.evaluate(points, "u", "u_x", batch_size=size)
        for name in whole:
            np.testing.assert_allclose(found[name], whole[name], rtol=1e-6)


def test_no_points_give_no_numbers() -> None:
    assert Flow().evaluate(np.empty((0, 2)), "u", "u_x")["u_x"].shape == (0,)


def test_modes_gradients_and_random_numbers_stay_as_they_were() -> None:
    module = Flow(derivatives="reverse").train()
    module.net[0].eval()
    with torch.inference_mode():
        found = module.evaluate(X, "u", "u_x")
    assert module.training
    assert not module.net[0].training
    assert module.net[1].training
    assert all(p.grad is None for p in module.parameters())
    assert np.isfinite(found["u_x"]).all()


def test_the_mode_comes_back_after_an_error() -> None:
    module = Decay().train()
    module.net.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        module.evaluate(X[:, :1])
    assert module.training


@pytest.mark.parametrize(
    ("points", "names", "said"),
    [
        (X[:, :1], (), r"`points` must be \(n, 2\), a column for each of x, t, got \(11, 1\)"),
        (X[0], (), r"got \(2,\)"),
        ({"x": X[:, 0]}, (), r"`points` must have the columns \['x', 't'\], got \['x'\]"),
        ({"x": X[:, 0], "t": X[:3, 0]}, (), "`points` must have columns of one length"),
        (X, ("v",), "`names` must be fields, u, u_re, or derivatives of them such as u_x, got 'v'"),
        (X, ("u_y",), "`names` must use the coordinates x, t, got 'y'"),
        (X, ("ux",), "got 'ux'"),
    ],
)
def test_mistakes_are_named(points: Any, names: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Flow().evaluate(points, *names)


def test_a_batch_has_a_point() -> None:
    with pytest.raises(ValueError, match="`batch_size` must be"):
        Flow().evaluate(X, batch_size=0)


def test_the_longest_field_that_fits_is_taken() -> None:
    assert split_name("u_re_xx", ("u", "u_re")) == (1, "xx")
    assert split_name("u_re", ("u", "u_re")) == (1, "")
    assert split_name("u_x", ("u", "u_re")) == (0, "x")


def test_rows_are_detached() -> None:
    x = torch.zeros(3, 2, requires_grad=True)
    assert not as_rows(x, "xy").requires_grad


def test_a_module_is_written_with_its_fields_and_domain() -> None:
    assert "(x) -> (u), domain=Interval(0, 1)\n" in repr(Decay())
