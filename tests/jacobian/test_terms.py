from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from lightning_autobalance.jacobian import backward, flatten, gramian, graphs_are_shared, row_order, term_gradients

Make = Callable[[nn.Module], dict[str, Tensor]]


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()


def grid(seed: int, b: int = 7) -> Tensor:
    return torch.rand(b, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def own_points(u: nn.Module) -> dict[str, Tensor]:
    """A second-order residual and a boundary term, each on points of its own, as in most PINNs."""
    x = grid(1).requires_grad_()
    (u_x,) = torch.autograd.grad(u(x).sum(), x, create_graph=True)
    (u_xx,) = torch.autograd.grad(u_x[:, 0].sum(), x, create_graph=True)
    return {"pde": (u_xx + u_x).square().mean(), "boundary": u(grid(2)).square().mean()}


def same_points(u: nn.Module) -> dict[str, Tensor]:
    y = u(grid(1))
    return {"a": y.square().mean(), "b": (y - 1).abs().mean(), "c": y.sum().square()}


def first_and_last_share(u: nn.Module) -> dict[str, Tensor]:
    y = u(grid(1))
    return {"a": y.square().mean(), "alone": u(grid(2)).square().mean(), "b": (y - 1).square().mean()}


def first_two_share(u: nn.Module) -> dict[str, Tensor]:
    a, alone, b = first_and_last_share(u).values()
    return {"a": a, "b": b, "alone": alone}


LOSSES: list[Make] = [own_points, same_points, first_and_last_share, first_two_share]


def naive(make: Make, u: nn.Module) -> list[Tensor]:
    """One forward pass per term, zeros for what it does not reach."""
    names = list(make(u))
    rows = [torch.autograd.grad(make(u)[name], list(u.parameters()), materialize_grads=True) for name in names]
    return [torch.stack(column) for column in zip(*rows, strict=True)]


def test_two_terms_by_hand() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    (block,) = term_gradients({"first": w[0] ** 2 + w[1], "second": 3 * w[0] * w[1]}, [w])
    assert_close(block, torch.tensor([[2.0, 1.0], [6.0, 3.0]]))


@pytest.mark.parametrize("make", LOSSES)
def test_equals_one_forward_pass_per_term(make: Make) -> None:
    u = net()
    assert_close(term_gradients(make(u), list(u.parameters())), naive(make, u), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("make", "shared", "retained"),
    [
        (own_points, None, [False, False]),
        (same_points, None, [True, True, False]),
        (first_and_last_share, None, [True, False, False]),
        (first_two_share, None, [True, False, False]),
        (same_points, True, [True, True, False]),
        (own_points, False, [False, False]),
    ],
)
def test_graphs_are_kept_only_for_later_terms(
    make: Make, shared: bool | None, retained: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    u, seen, grad = net(), [], torch.autograd.grad

    def spy(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["retain_graph"])
        return grad(*args, **kwargs)

    losses = make(u)
    monkeypatch.setattr(torch.autograd, "grad", spy)
    term_gradients(losses, list(u.parameters()), shared=shared)
    assert seen == retained


@pytest.mark.parametrize(("make", "shared"), [(own_points, False), (same_points, True), (first_and_last_share, True)])
def test_sharing_is_found_and_the_answer_can_be_passed(make: Make, shared: bool) -> None:
    u = net()
    assert graphs_are_shared(make(u)) is shared
    assert_close(term_gradients(make(u), list(u.parameters()), shared=shared), naive(make, u))


def test_parameters_and_points_in_common_are_no_shared_graph() -> None:
    w, x = torch.tensor(2.0, requires_grad=True), torch.ones(3, requires_grad=True)
    assert not graphs_are_shared({"a": (w * x).sum(), "b": (w + x).prod(), "c": w})
    v = w.exp()
    assert graphs_are_shared({"a": (v * x).sum(), "b": (v + x).prod()})


def test_wrong_shared_is_explained() -> None:
    u = net()
    with pytest.raises(RuntimeError, match=r"The graph of loss term `b` must be whole.*leave out `shared=False`"):
        term_gradients(same_points(u), list(u.parameters()), shared=False)


def test_other_errors_of_autograd_pass_through() -> None:
    w = torch.ones(2, requires_grad=True)
    loss = w.exp().mul(w).sum()
    with torch.no_grad():
        w.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        term_gradients({"a": loss}, [w])


def test_rows_are_zero_and_blocks_are_none_where_nothing_arrives() -> None:
    both, one, neither, frozen = (torch.full((2,), float(k), requires_grad=k < 4) for k in (1, 2, 3, 4))
    losses = {"first": both.sum(), "second": (both * one * frozen).sum()}
    blocks = term_gradients(losses, [frozen, neither, one, both])
    assert blocks[0] is None
    assert blocks[1] is None
    assert_close(blocks[2], torch.tensor([[0.0, 0.0], [4.0, 4.0]]))
    assert_close(blocks[3], torch.tensor([[1.0, 1.0], [8.0, 8.0]]))


def test_rows_follow_the_order_of_the_names() -> None:
    u = net()
    losses = own_points(u)
    swapped = term_gradients({"boundary": losses["boundary"], "pde": losses["pde"]}, list(u.parameters()))
    assert_close(swapped, [block.flip(0) for block in naive(own_points, u)])


def test_blocks_are_plain_tensors() -> None:
    u = net()
    x = grid(1)
    (g,) = torch.autograd.grad(u(x).square().mean(), u[0].weight, create_graph=True)
    for block in term_gradients({"a": g.square().mean()}, [u[0].weight, u[2].weight]):
        assert block is not None
        assert not block.requires_grad
        assert block.is_contiguous()


def test_backward_accumulates_like_torch() -> None:
    ours, torchs = net(), net()
    for _ in range(2):
        backward(same_points(ours), ours.parameters())
        torch.stack(list(same_points(torchs).values())).sum().backward()
    for p, q in zip(ours.parameters(), torchs.parameters(), strict=True):
        assert_close(p.jac.sum(dim=0), q.grad)


def test_backward_leaves_unreached_parameters_alone() -> None:
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    backward({"a": a.sum()}, iter([a, b]))
    assert hasattr(a, "jac")
    assert not hasattr(b, "jac")


def test_backward_refuses_another_number_of_terms() -> None:
    u = net()
    backward(same_points(u), u.parameters())
    with pytest.raises(ValueError, match=r"as many terms as the `jac` .* 3, got 2\. Call `optimizer.zero_grad"):
        backward(own_points(u), u.parameters())


def test_backward_adds_rows_by_name() -> None:
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    backward({"a": w[0] ** 2, "b": 5 * w[1]}, [w])
    backward({"b": 7 * w[0], "a": w[1] ** 2}, [w])
    assert w.jac.tolist() == [[4.0, 6.0], [7.0, 5.0]]
    assert w.jac.terms == ("a", "b")
    with pytest.raises(ValueError, match=r"of the same terms as the `jac` .* \['a', 'b'\], got \['a', 'c'\]"):
        backward({"a": w[0], "c": w[1]}, [w])


def test_backward_counts_a_parameter_once() -> None:
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    backward({"a": w[0] ** 2, "b": 5 * w[1]}, [w, w])
    assert w.jac.tolist() == [[4.0, 0.0], [0.0, 5.0]]


def test_backward_adds_to_gradients_without_names_by_position() -> None:
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    w.jac = torch.ones(2, 2)
    backward({"b": w[0] ** 2, "a": 5 * w[1]}, [w])
    assert w.jac.tolist() == [[5.0, 1.0], [1.0, 6.0]]


def test_row_order() -> None:
    assert row_order("abc", "cab") == [1, 2, 0]
    assert row_order("ab", "ac") is row_order("ab", "abc") is None


def test_nothing_to_differentiate_is_refused() -> None:
    w = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="`losses` must have at least one term, got none"):
        term_gradients({}, [w])
    with pytest.raises(ValueError, match="`params` must hold at least one tensor that requires grad"):
        term_gradients({"a": w.sum()}, [torch.ones(2)])
    with pytest.raises(ValueError, match=r"Loss term `pde` must be a scalar, got shape \(2,\)"):
        term_gradients({"a": w.sum(), "pde": w * 2}, [w])
    with pytest.raises(ValueError, match="Loss term `pde` must depend on the parameters, got a tensor that does not"):
        term_gradients({"a": w.sum(), "pde": w.detach().sum()}, [w])
    with pytest.raises(ValueError, match="Loss term `pde` must depend on the parameters, got one that reaches none"):
        term_gradients({"a": w.sum(), "pde": torch.ones(2, requires_grad=True).sum()}, [w])
    with pytest.raises(TypeError, match=r"`params` must be real, got torch\.complex64"):
        term_gradients({"a": w.sum()}, [w, torch.ones(2, dtype=torch.complex64, requires_grad=True)])


def test_flatten_puts_blocks_side_by_side() -> None:
    blocks = [torch.arange(4.0).view(2, 1, 2), torch.tensor([7.0, 8.0])]
    assert_close(flatten(blocks), torch.tensor([[0.0, 1.0, 7.0], [2.0, 3.0, 8.0]]))


def test_gramian_is_the_naive_product() -> None:
    u = net()
    blocks = naive(same_points, u)
    jac = flatten(blocks)
    assert_close(gramian(blocks), jac @ jac.T)


def test_gramian_keeps_what_float32_would_lose() -> None:
    big, small = torch.tensor([3e5, 4e5]), torch.tensor([4e-3, 3e-3])
    gram = gramian([torch.stack([big, small])])
    assert gram.dtype == torch.float64
    assert_close(gram[1, 1].item(), 2.5e-5, rtol=1e-6, atol=0.0)
    assert_close(gram[0, 1].item() / (gram[0, 0] * gram[1, 1]).sqrt().item(), 0.96, rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("function", [flatten, gramian])
def test_no_block_is_refused(function: Callable[[list[Tensor]], Tensor]) -> None:
    with pytest.raises(ValueError, match="`blocks` must hold at least one block"):
        function([])


@pytest.mark.parametrize("make", LOSSES)
def test_equals_torchjd(make: Make) -> None:
    autojac = pytest.importorskip("torchjd.autojac")
    ours, theirs = net(), net()
    backward(make(ours), ours.parameters())
    autojac.backward(list(make(theirs).values()))
    assert_close([p.jac for p in ours.parameters()], [p.jac for p in theirs.parameters()])


def test_torchjd_aggregates_our_gradients() -> None:
    autojac, aggregation = pytest.importorskip("torchjd.autojac"), pytest.importorskip("torchjd.aggregation")
    u = net()
    backward(same_points(u), u.parameters())
    expected = [p.jac.mean(dim=0) for p in u.parameters()]
    autojac.jac_to_grad(u.parameters(), aggregation.Mean())
    assert_close([p.grad for p in u.parameters()], expected)
