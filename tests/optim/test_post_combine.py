"""The base class of the post-combine optimizers, shown on the simplest one."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from helpers.optimizers import CallLog, Descent, parameter, put
from lightning_autobalance.jacobian import backward
from lightning_autobalance.optim import AutoAdamW, PostCombine

# Values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("combine", "expected"),
    [("sum", [0.2, 1.0]), ("mean", [0.55, 0.95]), ([2.0, 0.0], [0.7, 0.7]), ([0.0, -1.0], [1.5, 0.7])],
)
def test_updates_are_combined(combine: Any, expected: list[float]) -> None:
    w = parameter(0.9, 0.9)
    put(w, [[1.0, 1.0], [6.0, -2.0]])
    Descent([w], combine=combine).step()
    assert_close(w.tolist(), expected)


def test_decay_is_applied_once_to_the_weights_before_the_step() -> None:
    w = parameter(2.0)
    put(w, [[1.0], [1.0], [1.0]])
    Descent([w], weight_decay=0.5).step()
    assert_close(w.item(), 2.0 * (1 - 0.1 * 0.5) - 0.3)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_decay_with_a_tensor_as_learning_rate(shape: tuple[int, ...]) -> None:
    w = parameter(2.0)
    put(w, [[1.0], [2.0]])
    Descent([w], lr=torch.full(shape, 0.1), weight_decay=0.5).step()
    assert_close(w.item(), 2.0 * (1 - 0.1 * 0.5) - 0.3, rtol=0.0, atol=1e-7)


def test_groups_have_their_own_values() -> None:
    a, b = parameter(1.0), parameter(1.0)
    optimizer = Descent([{"params": [a], "lr": 1.0, "combine": "mean"}, {"params": [b]}])
    put(a, [[1.0], [2.0]])
    put(b, [[1.0], [2.0]])
    optimizer.step()
    assert_close((a.item(), b.item()), (-0.5, 0.7))


def test_weights_belong_to_terms_by_name() -> None:
    w = parameter(0.0)
    optimizer = Descent([w], combine=[1.0, 10.0, 100.0])
    for order in ("abc", "cab", "bca"):
        before = w.item()
        optimizer.zero_grad()
        backward({name: {"a": 1, "b": 2, "c": 3}[name] * w.sum() for name in order}, [w])
        optimizer.step()
        assert_close(w.item() - before, -32.1)


# Gradients ------------------------------------------------------------------------------------------------------------


def test_gradients_that_do_not_fit_are_refused_before_anything_moves() -> None:
    a, b = parameter(1.0), parameter(1.0)
    optimizer = AutoAdamW([{"params": [a]}, {"params": [b]}])
    put(a, [[1.0], [2.0]])
    for rows, error, message in (
        ([[1.0, 2.0]], ValueError, r"shape \(m, \*shape\) .* parameter of shape \(1,\), got \(1, 2\)"),
        ([1.0], ValueError, r"got \(1,\)"),
        (1.0, ValueError, r"got \(\)"),
        ([[1.0]], ValueError, r"one row per loss term on every parameter, got \[1, 2\] rows"),
    ):
        put(b, rows)
        with pytest.raises(error, match=message):
            optimizer.step()
    b.jac = torch.zeros(0, 1, dtype=torch.float64)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"got \(0, 1\)"):
        optimizer.step()
    b.jac = torch.ones(2, 1)  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"torch.float64 on cpu, got torch.float32 on cpu"):
        optimizer.step()
    b.jac = torch.ones(2, 1, dtype=torch.float64).to_sparse()  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"`jac` must be dense, got torch.sparse_coo"):
        optimizer.step()
    assert not optimizer.state
    assert a.item() == 1.0


def test_weights_must_fit_the_terms() -> None:
    w = parameter(1.0)
    put(w, [[1.0], [2.0]])
    with pytest.raises(ValueError, match="`combine` must hold one weight per loss term, 2, got 3 weights"):
        Descent([w], combine=[1.0, 1.0, 1.0]).step()


def test_zero_grad_clears_both_kinds_of_gradient() -> None:
    w = parameter(1.0)
    optimizer = Descent([w])
    put(w, [[1.0], [2.0]])
    w.grad = torch.ones_like(w)
    optimizer.zero_grad(set_to_none=False)
    assert w.jac.tolist() == [[0.0], [0.0]]  # type: ignore[attr-defined]
    assert w.grad.tolist() == [0.0]
    optimizer.zero_grad()
    assert w.grad is None
    assert not hasattr(w, "jac")


# Hooks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
def test_hooks_are_not_copied(copied: Callable[[PostCombine], PostCombine]) -> None:
    calls: list[int] = []
    optimizer = Descent([nn.Parameter(torch.ones(1))])
    handle = optimizer.register_update_hook(CallLog(calls))
    twin = copied(optimizer)
    (w,) = twin.param_groups[0]["params"]
    put(w, [[1.0]])
    twin.step()
    assert not calls
    twin.register_update_hook(CallLog(calls))
    twin.step()
    assert calls == [1]
    handle.remove()
