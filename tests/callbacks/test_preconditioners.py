"""Preconditioners as the optimizers themselves use them: D is what turns a first moment into an update."""

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer

from lightning_autobalance.callbacks.preconditioners import is_known, preconditioner
from lightning_autobalance.jacobian import backward
from lightning_autobalance.optim import AutoAdam, AutoAdamW, AutoBalance

LR = 1e-3
SCALES = (1.0, 1000.0)  # of the two losses


def params() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in ((2, 3), (4,))]


def losses(own: list[Tensor]) -> dict[str, Tensor]:
    return {
        "a": SCALES[0] * sum((p**2).sum() for p in own),
        "b": SCALES[1] * sum((p.sin() + p).sum() for p in own),
    }


def train(optimizer: Optimizer, own: list[Tensor], steps: int = 3) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        if isinstance(optimizer, AutoAdam | AutoAdamW | AutoBalance):
            backward(losses(own), own)
        else:
            sum(losses(own).values()).backward()  # type: ignore[union-attr]
        optimizer.step()


def flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([t.detach().reshape(-1) for t in tensors])


def test_after_one_step_it_is_the_gradient_of_each_term() -> None:
    own = params()
    gradients = [flat(torch.autograd.grad(loss, own)).abs() for loss in losses(own).values()]
    optimizer = AutoAdamW(own, lr=LR, eps=0.5)
    train(optimizer, own, 1)
    found = preconditioner(optimizer, own, 2)
    assert found is not None
    assert found.kind == "autobalance"
    for scale, gradient in zip(found.scales, gradients, strict=True):
        assert torch.allclose(scale**-2, gradient + 0.5, rtol=1e-6)


def test_one_for_all_terms_in_adam() -> None:
    own = params()
    gradient = flat(torch.autograd.grad(sum(losses(own).values()), own)).abs()  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(own, lr=LR, eps=0.5)
    train(optimizer, own, 1)
    found = preconditioner(optimizer, own, 2)
    assert found is not None
    assert found.kind == "adam"
    assert torch.equal(found.scales[0], found.scales[1])
    assert torch.allclose(found.scales[0] ** -2, gradient + 0.5)


def test_the_step_of_each_term_follows_from_it_with_a_term_inside_the_root() -> None:
    own = params()
    optimizer = AutoAdamW(own, lr=LR, eps=0.1, eps_root=2.0)
    train(optimizer, own, 5)
    updates: list[Tensor] = []
    optimizer.register_update_hook(lambda _, deltas: updates.extend(flat(d[i] for d in deltas) for i in range(2)))
    train(optimizer, own, 1)
    found = preconditioner(optimizer, own, 2)
    assert found is not None
    for i, (update, scale) in enumerate(zip(updates, found.scales, strict=True)):
        mean = flat(optimizer.state[p]["exp_avg"][i] for p in own) / (1 - 0.9**6)
        assert torch.allclose(update, -LR * mean * scale.square(), rtol=1e-6)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adams_own_step_follows_from_it(amsgrad: bool) -> None:
    own = params()
    optimizer = torch.optim.AdamW(own, lr=LR, betas=(0.9, 0.99), eps=0.1, weight_decay=0.0, amsgrad=amsgrad)
    train(optimizer, own, 5)
    before = flat(own)
    train(optimizer, own, 1)
    found = preconditioner(optimizer, own, 2)
    assert found is not None
    mean = flat(optimizer.state[p]["exp_avg"] for p in own) / (1 - 0.9**6)
    assert torch.allclose(flat(own) - before, -LR * mean * found.scales[0].square(), rtol=1e-6)


def test_auto_balance_around_adam_is_auto_adamw() -> None:
    found = []
    for make in (AutoAdamW, lambda p, **kw: AutoBalance(p, torch.optim.AdamW, weight_decay=0.0, **kw)):
        own = params()
        optimizer = make([{"params": own[1:], "eps": 1e-3}, {"params": own[:1]}], lr=LR, combine="mean")
        train(optimizer, own)
        found.append(preconditioner(optimizer, own, 2))
    fast, general = found
    assert fast is not None
    assert general is not None
    assert fast.weights == general.weights == [0.5, 0.5]
    for a, b in zip(fast.scales, general.scales, strict=True):
        assert torch.allclose(a, b, rtol=1e-6)


def test_weights_of_the_terms_are_those_of_the_optimizer() -> None:
    own = params()
    optimizer = AutoAdamW(own, combine=[2.0, 3.0])
    train(optimizer, own)
    found = preconditioner(optimizer, own, 2)
    assert found is not None
    assert found.weights == [2.0, 3.0]


def test_auto_adam_and_a_parameter_that_no_term_reaches() -> None:
    own, unused = params(), torch.ones(2, dtype=torch.float64, requires_grad=True)
    gradient = flat(torch.autograd.grad(losses(own)["b"], own)).abs()
    optimizer = AutoAdam([*own, unused], betas=(0.0, 1.0))
    train(optimizer, own)
    found = preconditioner(optimizer, [unused, *own], 2)
    assert found is not None
    assert found.scales[1][:2].tolist() == [0.0, 0.0]
    assert torch.allclose(found.scales[1][2:] ** -2, gradient)  # the first gradient, for ever


@pytest.mark.parametrize(
    ("make", "known"),
    [
        (AutoAdamW, True),
        (torch.optim.AdamW, True),
        (lambda p: AutoBalance(p, torch.optim.Adam), True),
        (lambda p: AutoBalance(p, torch.optim.RMSprop), False),
        (torch.optim.SGD, False),
        (torch.optim.NAdam, False),
    ],
)
def test_what_is_known(make: Callable[[list[Tensor]], Optimizer], known: bool) -> None:
    own = params()
    optimizer = make(own)
    assert is_known(optimizer) is known
    assert preconditioner(optimizer, own, 2) is None  # no step yet
    train(optimizer, own)
    assert (preconditioner(optimizer, own, 2) is not None) is known
