"""Residuals that cannot be trained, or that train something else than was meant."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from helpers.checks import field_with, refuses, with_residuals
from helpers.toys import Decay, fit, points
from lightning_autobalance.checks.residuals import check_depends_on_network, check_residuals, few_points
from lightning_autobalance.points import Interval, PointCloud

POINTS = {"interior": torch.tensor([[0.25], [0.5], [0.75]]), "boundary": torch.tensor([[0.0], [1.0]])}


def check(residuals: Any, finite: bool = True) -> dict[str, Tensor]:
    return check_residuals(field_with(residuals), POINTS, finite=finite)


def test_few_points_differ_in_number_where_training_will() -> None:
    def shapes(counts: Mapping[str, int] | None) -> dict[str, tuple[int, ...]]:
        found = few_points(Interval(2.0, 3.0), counts)
        assert all(x.dtype == torch.float64 and 2 <= float(x.min()) <= float(x.max()) <= 3 for x in found.values())
        return {part: tuple(x.shape) for part, x in found.items()}

    assert shapes({"interior": 2000, "boundary": 2}) == {"interior": (64, 1), "boundary": (61, 1)}
    assert shapes({"interior": 2, "boundary": 3}) == {"interior": (61, 1), "boundary": (64, 1)}
    assert shapes({"interior": 7, "boundary": 7}) == {"interior": (64, 1), "boundary": (64, 1)}
    assert shapes({"boundary": 5}) == {"boundary": (64, 1)}
    assert shapes(None) == dict.fromkeys(("interior", "boundary", "left", "right"), (64, 1))


def test_few_points_of_a_cloud_are_no_more_than_it_has() -> None:
    cloud = PointCloud([[0.0], [1.0], [2.0]], {"end": [[2.0]]})
    assert {part: len(x) for part, x in few_points(cloud, None).items()} == {"interior": 3, "boundary": 1, "end": 1}


def test_few_points_are_the_same_every_time() -> None:
    one, two = (few_points(Interval(0.0, 1.0), {"interior": 5})["interior"] for _ in range(2))
    assert torch.equal(one, two)


def test_good_residuals_are_returned_with_their_graph() -> None:
    with torch.no_grad():  # which must not matter
        found = check(lambda self, p: {"a": 2 * p["interior"][:, 0], "b": self(p["boundary"]).expand(-1, 3)})
    assert found["a"].tolist() == [0.5, 1.0, 1.5]
    assert found["b"].shape == (2, 3)
    assert found["b"].requires_grad


@pytest.mark.parametrize(
    ("residuals", "message"),
    [
        (lambda self, p: self(p["interior"]), "must return a non-empty mapping from term to residual, got a Tensor"),
        (lambda self, p: {}, "must return a non-empty mapping from term to residual, got an empty one"),
        (lambda self, p: {"pde": self(p["interior"]).sum()}, r"one row per point.*got shape \(\) for 'pde'"),
        (lambda self, p: {"pde": torch.zeros(3, 1, 1)}, r"one row per point.*got shape \(3, 1, 1\) for 'pde'"),
        (lambda self, p: {"pde": torch.zeros(0)}, r"one row per point.*got shape \(0,\) for 'pde'"),
        (lambda self, p: {"pde": 1.0}, "got 1.0 for 'pde'"),
        (lambda self, p: {"pde": self(p["interior"]) * 1j}, "must be real, got torch.complex64.*view_as_real"),
        (lambda self, p: {"pde": torch.zeros(3, 2, dtype=torch.complex128)}, "must be real, got torch.complex128"),
        (
            lambda self, p: {"pde": self(p["interior"]) + p["interior"][:, 0]},
            r"got shape \(3, 3\) for 'pde': a \(b,\) and a \(b, 1\) were combined to \(b, b\)",
        ),
        (
            lambda self, p: {"pde": self(p["interior"]), "ends": torch.tensor([[1.0], [float("nan")]])},
            "must be finite, got 1 NaN or infinite values among 2 for 'ends'",
        ),
        (lambda self, p: {"pde": p["interior"] / 0}, "must be finite, got 3 NaN or infinite values among 3 for 'pde'"),
        (
            lambda self, p: {"initial": self(p["initial"])},
            r"asks for points 'initial', but `data.points` has only \['interior', 'boundary'\]",
        ),
    ],
)
def test_residuals_that_cannot_be_trained(residuals: Any, message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        check(residuals)


def test_values_that_are_not_finite_may_be_let_through() -> None:
    found = check(lambda self, p: {"pde": p["interior"] / 0}, finite=False)
    assert torch.isinf(found["pde"]).all()


def test_as_many_fields_as_another_part_has_points_is_no_broadcast() -> None:
    found = check(lambda self, p: {"pde": torch.zeros(3, 2), "flux": torch.zeros(5, 5)})
    assert [tuple(residual.shape) for residual in found.values()] == [(3, 2), (5, 5)]
    single = {"interior": torch.tensor([[0.5]])}
    assert check_residuals(field_with(lambda self, p: {"pde": p["interior"]}), single)["pde"].tolist() == [[0.5]]


def test_key_errors_of_the_user_stay_key_errors() -> None:
    with pytest.raises(KeyError, match="interior"):
        check(lambda self, p: {}["interior"])


def test_residuals_without_the_network() -> None:
    good = torch.zeros(2, requires_grad=True)
    check_depends_on_network({"pde": good, "boundary": 2 * good}, "Toy")
    with pytest.raises(MisconfigurationException, match="of `boundary` of Toy must depend on the network"):
        check_depends_on_network({"pde": good, "boundary": good.detach()}, "Toy")


# What training refuses ------------------------------------------------------------------------------------------------


def test_residual_with_nan(tmp_path: Path) -> None:
    module = with_residuals(lambda self, p, r: {**r, "pde": r["pde"] + (p["interior"] - 2).sqrt()})
    refuses(module, tmp_path, r"must be finite, got 64 NaN or infinite values among 64 for 'pde'")


def test_points_that_are_not_drawn(tmp_path: Path) -> None:
    module = with_residuals(lambda self, p, r: {"initial": self(p["initial"])})
    refuses(module, tmp_path, r"asks for points 'initial', but `data.points` has only \['interior', 'boundary'\]")


# Slips that would train -----------------------------------------------------------------------------------------------


def test_a_residual_that_broadcasts(tmp_path: Path) -> None:
    module = with_residuals(lambda self, p, r: {**r, "pde": r["pde"] + p["interior"][:, 0]})
    refuses(module, tmp_path, r"got shape \(64, 64\) for 'pde': a \(b,\) and a \(b, 1\) were combined")


def test_points_of_different_parts_are_not_mixed_up(tmp_path: Path) -> None:
    class Mixed(Decay):
        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {"pde": self(points["interior"]) - self(points["boundary"])}

    with pytest.raises(RuntimeError, match="must match the size"):
        fit(Mixed(check_exact=False), tmp_path, points(Decay()), max_steps=1)


def test_a_term_without_the_network(tmp_path: Path) -> None:
    module = with_residuals(lambda self, p, r: {**r, "pde": torch.zeros(64)})
    refuses(module, tmp_path, "The residual of `pde` of Toy must depend on the network")


def test_a_tuple_that_was_not_unpacked_gets_a_hint() -> None:
    def comma(self: Any, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u_x = self.partials(points["interior"], "x")
        return {"pde": u_x + 1.0}

    with pytest.raises(TypeError) as raised:
        check(comma)
    assert "unpack one derivative with a comma" in raised.value.__notes__[0]


def test_other_type_errors_get_no_hint() -> None:
    with pytest.raises(TypeError) as raised:
        check(lambda self, p: {"pde": "a" + 1})  # type: ignore[operator]
    assert not hasattr(raised.value, "__notes__")
