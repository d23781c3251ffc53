"""The network, the names and the exact solution of a problem, on a few points."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from helpers.checks import refuses
from helpers.toys import Decay
from lightning_autobalance.checks import check_problem
from lightning_autobalance.checks.problem import NON_SMOOTH
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP, Transformed, ZeroAtStart
from lightning_autobalance.points import Interval, ParameterRange, TimeCylinder

COUNTS = {"interior": 16, "boundary": 2}


def check(
    field: Any, terms: tuple[str, ...] = ("pde", "boundary"), exact: bool = True, **named: Any
) -> tuple[str, ...]:
    return check_problem(field, COUNTS, lambda _: terms, named=named, exact=exact)


def test_the_terms_are_found_on_few_points_of_the_fields_dtype() -> None:
    found: list[Any] = []

    def find_terms(points: dict[str, Tensor]) -> tuple[str, ...]:
        found.extend((part, tuple(x.shape), x.dtype) for part, x in points.items())
        return ("b", "a")

    assert check_problem(Decay().double(), COUNTS, find_terms, named={}, exact=True) == ("b", "a")
    assert found == [("interior", (64, 1), torch.float64), ("boundary", (61, 1), torch.float64)]
    assert check_problem(Decay(), None, find_terms, named={}, exact=True) == ("b", "a")
    parts = ("interior", "boundary", "left", "right")
    assert set(found[2:]) == {(part, (64, 1), torch.float32) for part in parts}


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (
            MLP(2, 1, [4]),
            r"`net` must take 1 inputs, the coordinates \(x\) of the domain; on points of shape \(64, 1\)",
        ),
        (MLP(1, 3, [4]), r"`net` must give 1 field\(s\) \('u',\), shape \(64, 1\), got shape \(64, 3\)"),
        (nn.Sequential(nn.Linear(1, 1), nn.Flatten(0)), r"`net` must give 1 field\(s\).*got shape \(64,\)"),
    ],
)
def test_a_network_of_the_wrong_size(net: nn.Module, message: str) -> None:
    class Unchecked(Decay):
        def forward(self, x: Any) -> Any:  # without the shapes that tests check in signatures
            return self.net(x)

    with pytest.raises(MisconfigurationException, match=message):
        check(Unchecked(net=net))


def test_training_refuses_a_network_with_the_wrong_input_size(tmp_path: Path) -> None:
    refuses(Decay(net=MLP(2, 1, [4])), tmp_path, r"`net` must take 1 inputs, the coordinates \(x\) of the domain")


def test_training_refuses_a_network_with_the_wrong_output_size(tmp_path: Path) -> None:
    refuses(Decay(net=MLP(1, 3, [4])), tmp_path, r"`net` must give 1 field\(s\).*got shape \(64, 3\)")


def test_training_refuses_a_network_without_parameters(tmp_path: Path) -> None:
    refuses(Decay(net=torch.nn.Sequential()), tmp_path, "`net` of Decay must have parameters, got none")


@pytest.mark.parametrize("layer", NON_SMOOTH, ids=lambda kind: kind.__name__)
def test_a_network_with_kinks_warns(layer: type[nn.Module]) -> None:
    net = nn.Sequential(nn.Linear(1, 4), layer(), nn.Linear(4, 1))
    with pytest.warns(UserWarning, match=f"`net` should be smooth, got {layer.__name__}: its second derivatives"):
        check(Decay(net=net), exact=False)


def test_a_smooth_network_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(Decay(net=nn.Sequential(nn.Linear(1, 4), nn.Softplus(), nn.Linear(4, 1))))


class Aged(PINNModule):
    domain = TimeCylinder(Interval(0.0, 1.0), (0.0, 1.0)) * ParameterRange("nu", 0.1, 1.0)

    def residuals(self, points: Any) -> dict[str, Tensor]:
        return {"pde": self(points["interior"])}


def test_the_column_of_time_must_be_that_of_time() -> None:
    for column in (1, -2):
        check(
            Aged(net=Transformed(Transformed(MLP(3, 1, [4]), ZeroAtStart(column=column)), lambda x: x[:, :1])), ("pde",)
        )
    net = Transformed(Transformed(MLP(3, 1, [4]), ZeroAtStart()), lambda x: x[:, :1])
    with pytest.raises(MisconfigurationException, match=r"`column` of ZeroAtStart must be -2,.* got -1, which is nu"):
        check(Aged(net=net), ("pde",))


def test_names_must_be_loss_terms() -> None:
    assert check(Decay(), weights=["boundary"], measured=("pde", "boundary")) == ("pde", "boundary")
    message = (
        r"`weights` must name loss terms of Decay, \['pde', 'boundary'\], got 'boundry'. Did you mean 'boundary'\?"
    )
    with pytest.raises(MisconfigurationException, match=message):
        check(Decay(), weights={"pde": 1.0, "boundry": 2.0})
    with pytest.raises(MisconfigurationException, match=r"`measured` must name .*, got 'zzz'\.$"):
        check(Decay(), weights=(), measured=("zzz",))


def test_training_refuses_weights_of_an_unknown_term(tmp_path: Path) -> None:
    refuses(
        Decay(weights={"boundry": 2.0}), tmp_path, r"\['pde', 'boundary'\], got 'boundry'. Did you mean 'boundary'\?"
    )


def test_training_refuses_measured_terms_that_do_not_exist(tmp_path: Path) -> None:
    refuses(type("Toy", (Decay,), {"measured": ("dat",)})(), tmp_path, "`measured` must name loss terms of Toy")


class Flat(Decay):
    def exact(self, x: Tensor) -> Any:
        return torch.exp(-x)[:, 0]


def test_an_exact_solution_of_the_wrong_shape(tmp_path: Path) -> None:
    message = r"`exact` of Flat must give 1 field\(s\) \('u',\), shape \(64, 1\) for 64 points, got"
    with pytest.raises(MisconfigurationException, match=message + r" shape \(64,\)"):
        check(Flat(), exact=False)
    refuses(Flat(), tmp_path, message)


def test_the_exact_solution_is_checked_where_it_is_asked_for() -> None:
    class Wrong(Decay):
        def exact(self, x: Tensor) -> Tensor:
            return torch.exp(-2 * x)

    with pytest.raises(MisconfigurationException, match="The residual of `pde` must vanish on the exact solution"):
        check(Wrong())
    assert check(Wrong(), exact=False) == ("pde", "boundary")
