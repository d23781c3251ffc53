"""Arguments of `PINNModule` that no part of it checks."""

from functools import partial
from typing import Any

import pytest
import torch

from helpers.toys import Decay
from lightning_autobalance.checks import check_module_arguments
from lightning_autobalance.optim import AutoAdamW

DEFAULTS: dict[str, Any] = {
    "optimizer": None,
    "weights": {},
    "gradient_clip_val": None,
    "skip_non_finite": 0,
    "steps_per_call": 1,
    "stop_at_noise": {},
    "compile": False,
    "cuda_graph": False,
}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"steps_per_call": 0}, "`steps_per_call` must be a whole number >= 1, got 0"),
    ({"skip_non_finite": -1}, "`skip_non_finite` must be a whole number >= 0, got -1"),
    ({"gradient_clip_val": -1.0}, r"`gradient_clip_val` must be > 0, got -1.0"),
    ({"weights": {"pde": float("nan")}}, "`weights` of 'pde' must be finite"),
    ({"compile": "fast"}, "`compile` must be auto, true, false or one of torch's modes default, .*, got 'fast'"),
    ({"cuda_graph": True}, "`cuda_graph` was removed .* got True. Take `compile: reduce-overhead`"),
]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": AutoAdamW},
        {"optimizer": partial(torch.optim.SGD, lr=1.0)},
        {"weights": {"pde": 0, "boundary": 1e30}},
        {"gradient_clip_val": 1e-30},
        {"skip_non_finite": 3, "steps_per_call": 7},
        {"compile": True},
        {"compile": "reduce-overhead"},
    ],
)
def test_good_arguments_are_accepted(options: dict[str, Any]) -> None:
    check_module_arguments(**DEFAULTS | options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *BAD,
        ({"gradient_clip_val": 0.0}, "`gradient_clip_val` must be > 0, got 0.0"),
        ({"gradient_clip_val": float("nan")}, "`gradient_clip_val` must be > 0, got nan"),
        ({"weights": {"pde": 1.0, "data": float("inf")}}, "`weights` of 'data' must be finite and >= 0, got inf"),
        ({"weights": {"pde": -1e-9}}, "`weights` of 'pde' must be finite and >= 0, got -1e-09"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_module_arguments(**DEFAULTS | options)


@pytest.mark.parametrize(("options", "message"), BAD)
def test_a_module_checks_each_argument(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Decay(**options)


def test_the_optimizer_is_checked_too() -> None:
    with pytest.raises(TypeError, match="`optimizer` must make an optimizer from parameters, got the name 'AutoAdamW'"):
        check_module_arguments(**DEFAULTS | {"optimizer": "AutoAdamW"})
