"""The fused activation against its slow reference, with gradients and gradients of gradients."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.derivatives import partials, plain_operations
from lightning_autobalance.derivatives.activations import derivatives_of
from lightning_autobalance.derivatives.fused import (
    Layout,
    activate,
    activate_first,
    activate_reference,
)

PAIRS = [[], [[(0, 0), (1, 1)]], [[(0, 1)]], [[(0, 0)], [(0, 1)], [(1, 1)]], [[(0, 0), (0, 1)]]]


def layout(module: nn.Module, pairs: Any, drop: bool) -> Layout:
    f = derivatives_of(module)
    assert f is not None
    return Layout(f, isinstance(module, nn.Tanh), 2, pairs, drop)


@pytest.fixture(params=[nn.Tanh(), nn.SiLU()], ids=repr)
def module(request: pytest.FixtureRequest) -> nn.Module:
    return request.param


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("pairs", PAIRS, ids=str)
def test_inner_layers(module: nn.Module, pairs: Any, drop: bool) -> None:
    torch.manual_seed(0)
    plan = layout(module, pairs, drop)
    y = torch.randn(3 + len(pairs), 5, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(4, dtype=torch.float64, requires_grad=True)
    compare(activate(y, bias, plan), activate_reference([y[0] + bias, *y[1:]], plan), (y, bias))


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("pairs", PAIRS, ids=str)
def test_first_layer(module: nn.Module, pairs: Any, drop: bool) -> None:
    torch.manual_seed(0)
    plan = layout(module, pairs, drop)
    value = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    columns = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    zeros = [torch.zeros_like(value)] * len(pairs)
    streams = [value, *(column.expand_as(value) for column in columns), *zeros]
    compare(activate_first(value, columns, plan), activate_reference(streams, plan), (value, columns))


def compare(fast: Tensor, slow: Tensor, inputs: tuple[Tensor, Tensor]) -> None:
    torch.testing.assert_close(fast, slow, rtol=1e-13, atol=1e-13)
    weights = torch.randn_like(fast)
    plain = torch.autograd.grad(fast, inputs, weights, retain_graph=True, materialize_grads=True)
    ours = torch.autograd.grad(fast, inputs, weights, create_graph=True, materialize_grads=True)
    theirs = torch.autograd.grad(slow, inputs, weights, create_graph=True, materialize_grads=True)
    for a, b, c in zip(plain, ours, theirs, strict=True):
        torch.testing.assert_close(a, c, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(b, c, rtol=1e-12, atol=1e-12)
    second = [sum((g * g).sum() for g in gradients) for gradients in (ours, theirs)]
    for a, b in zip(*(torch.autograd.grad(s, inputs, materialize_grads=True) for s in second), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_the_input_is_not_changed(module: nn.Module) -> None:
    y, bias = torch.randn(4, 5, 4), torch.randn(4)
    before = y.clone(), bias.clone()
    activate(y, bias, layout(module, PAIRS[1], False))
    activate_first(y[0], y[1, :2], layout(module, PAIRS[1], False))
    assert torch.equal(y, before[0])
    assert torch.equal(bias, before[1])


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_gradient_with_its_graph_when_an_input_is_frozen(module: nn.Module, frozen: int) -> None:
    torch.manual_seed(0)
    plan = layout(module, PAIRS[1], False)
    inputs = [torch.randn(4, 5, 4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)]
    moving = inputs[1 - frozen].requires_grad_()
    results = []
    for out in (activate(*inputs, plan), activate_reference([inputs[0][0] + inputs[1], *inputs[0][1:]], plan)):
        (gradient,) = torch.autograd.grad(out.square().sum(), moving, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), moving)
        results.append((gradient, second))
    torch.testing.assert_close(*results, rtol=1e-11, atol=1e-11)


def laplacian_of(net: nn.Module, x: Tensor) -> Tensor:
    return partials(net, x, "xx+yy")[0]


def node_names(value: Tensor) -> set[str]:
    """Names of all nodes of an autograd graph."""
    found, todo = set(), [value.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None:
            found.add(type(node).__name__)
            todo.extend(child for child, _ in node.next_functions)
    return found


FUSED = {"_ActivateBackward", "_ActivateFirstBackward"}


def test_plain_operations_give_the_same_and_let_transforms_pass(module: nn.Module) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 4), module, nn.Linear(4, 4), module, nn.Linear(4, 1)).double()
    x = torch.randn(5, 2, dtype=torch.float64)
    fused = laplacian_of(net, x)
    with plain_operations():
        plain = laplacian_of(net, x)
        rows = torch.func.vmap(lambda point: laplacian_of(net, point[None])[0])(x)
    assert node_names(fused) >= FUSED
    assert not FUSED & node_names(plain)
    torch.testing.assert_close(plain, fused, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(rows, fused, rtol=1e-13, atol=1e-13)


def test_plain_operations_end_with_their_block_and_stay_in_their_thread() -> None:
    net, x = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)), torch.randn(5, 2)
    with ThreadPoolExecutor(1) as pool, plain_operations():
        with pytest.raises(KeyError), plain_operations():
            raise KeyError
        assert not FUSED & node_names(laplacian_of(net, x))
        assert FUSED & node_names(pool.submit(laplacian_of, net, x).result())
    assert FUSED & node_names(laplacian_of(net, x))


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # Dynamo itself does so
def test_compiled_in_one_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # Dynamo cannot trace the checks
    torch._dynamo.reset()
    plan, y, bias = layout(nn.Tanh(), PAIRS[1], False), torch.randn(4, 5, 3), torch.randn(3)
    compiled = torch.compile(lambda y, bias: activate(y, bias, plan), backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(y, bias), activate(y, bias, plan))
    torch._dynamo.reset()
