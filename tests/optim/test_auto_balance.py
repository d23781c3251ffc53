"""Post-combine around other optimizers: against AutoAdamW, and against copies stepped one by one."""

import copy
import io
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from pytorch_optimizer import SOAP
from torch import Tensor, nn, optim
from torch.testing import assert_close

from lightning_autobalance.jacobian import backward
from lightning_autobalance.optim import AutoAdamW, AutoBalance

WRAPPED: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": partial(optim.SGD, lr=1e-2, momentum=0.9, nesterov=True),
    "sgd_coupled_decay": partial(optim.SGD, lr=1e-2, momentum=0.9, weight_decay=0.1),
    "rmsprop": partial(optim.RMSprop, lr=1e-3, momentum=0.5, centered=True),
    "adagrad": partial(optim.Adagrad, lr=1e-2, initial_accumulator_value=0.1),
    "adam": partial(optim.Adam, lr=1e-3, weight_decay=0.1),
    "adamw": partial(optim.AdamW, lr=1e-3, weight_decay=0.0),
    "nadam": partial(optim.NAdam, lr=1e-3),
    "radam": partial(optim.RAdam, lr=1e-2),
    "adadelta": partial(optim.Adadelta),
    "soap": partial(SOAP, lr=1e-3, weight_decay=0.0, precondition_frequency=2),
}
every = pytest.mark.parametrize("make", WRAPPED.values(), ids=WRAPPED)


def net(bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 5, bias=bias), nn.Tanh(), nn.Linear(5, 3, bias=bias)).double()


def losses(u: nn.Module, k: int) -> dict[str, Tensor]:
    x = torch.rand(7, 2, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
    x = x.to(next(u.parameters()).dtype)
    return {"a": 100 * u(x).square().mean(), "b": (u(x) - 1).square().mean(), "c": u(x)[:, 0].mean()}


def train(u: nn.Module, optimizer: optim.Optimizer, steps: int, start: int = 0) -> list[Tensor]:
    for k in range(start, start + steps):
        optimizer.zero_grad()
        backward(losses(u, k), u.parameters())
        optimizer.step()
    return [p.detach().clone() for p in u.parameters()]


def by_hand(u: nn.Module, make: Callable[[Any], optim.Optimizer], steps: int) -> list[Tensor]:
    """A network per term, each with an optimizer of its own; all start each step from the same weights."""
    copies = [copy.deepcopy(u) for _ in range(3)]
    optimizers = [make(list(c.parameters())) for c in copies]
    for k in range(steps):
        start = copy.deepcopy(u.state_dict())
        for c, optimizer, term in zip(copies, optimizers, "abc", strict=True):
            c.load_state_dict(start)
            optimizer.zero_grad()
            losses(c, k)[term].backward()
            optimizer.step()
        moved = [c.state_dict() for c in copies]
        u.load_state_dict({n: w + sum(m[n] - w for m in moved) for n, w in start.items()})
    return [p.detach().clone() for p in u.parameters()]


# Values ---------------------------------------------------------------------------------------------------------------


@every
def test_equals_one_copy_of_the_network_per_term(make: Callable[[Any], optim.Optimizer]) -> None:
    u = net()
    assert_close(train(u, AutoBalance(u.parameters(), make), 12), by_hand(net(), make, 12), rtol=1e-9, atol=1e-12)


@pytest.mark.skipif(not hasattr(optim, "Muon"), reason="the oldest torch has no Muon")
@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
def test_muon_moves_matrices(adjust: str) -> None:
    make = partial(optim.Muon, lr=1e-3, weight_decay=0.0, adjust_lr_fn=adjust)
    u = net(bias=False)
    # its Newton-Schulz iteration runs in bfloat16
    assert_close(
        train(u, AutoBalance(u.parameters(), make), 5), by_hand(net(bias=False), make, 5), rtol=1e-6, atol=1e-9
    )


@pytest.mark.skipif(not hasattr(optim, "Muon"), reason="the oldest torch has no Muon")
def test_muon_refuses_vectors_itself() -> None:
    with pytest.raises(ValueError, match="only supports 2D parameters"):
        AutoBalance(net().parameters(), optim.Muon)


@pytest.mark.parametrize("combine", ["sum", "mean", [0.5, 2.0, 0.0]])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_around_adamw_it_is_auto_adamw(combine: Any, weight_decay: float) -> None:
    options: dict[str, Any] = {"lr": 1e-2, "weight_decay": weight_decay}
    u, v = net(), net()
    wrapped = AutoBalance(u.parameters(), optim.AdamW, combine, **options)
    assert_close(train(u, wrapped, 20), train(v, AutoAdamW(v.parameters(), combine=combine, **options), 20))


def test_one_step_of_momentum_by_hand() -> None:
    w = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    optimizer = AutoBalance([w], optim.SGD, lr=0.1, momentum=0.5)
    for _ in range(2):
        w.jac = torch.tensor([[1.0], [-4.0]], dtype=torch.float64)  # type: ignore[attr-defined]
        optimizer.step()
    assert_close(w.item(), 1.0 + 0.3 + 0.3 * 1.5)


# Decay ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "times"),
    [
        (partial(optim.AdamW, weight_decay=0.1), 1),
        (partial(optim.RAdam, weight_decay=0.1, decoupled_weight_decay=True), 1),
        (partial(optim.SGD, weight_decay=0.1), 3),  # part of the gradient of each of the three terms
    ],
)
def test_decoupled_decay_is_applied_once(make: Any, times: int) -> None:
    w = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    w.jac = torch.zeros(3, 1, dtype=torch.float64)  # type: ignore[attr-defined]
    AutoBalance([w], partial(make, lr=0.01)).step()
    assert_close(w.item(), 2.0 * (1 - times * 0.01 * 0.1))


class Renamed(optim.AdamW):
    """Of another module, but it steps as torch's."""


class OwnStep(optim.SGD):
    """Nobody knows what it does with its decay."""

    def step(self, closure: Any = None) -> Any:
        return super().step(closure)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        *([(optim.Muon, {})] if hasattr(optim, "Muon") else []),  # not in the oldest torch
        (optim.Adafactor, {"weight_decay": 0.1}),
        (Renamed, {"weight_decay": 0.1}),
    ],
)
def test_decay_of_torchs_optimizers_is_known_and_applied_once(make: Any, options: dict[str, Any]) -> None:
    w = torch.full((2, 2), 2.0, requires_grad=True)
    w.jac = torch.zeros(3, 2, 2)  # type: ignore[attr-defined]
    AutoBalance([w], make, lr=0.01, **options).step()
    assert_close(w.detach(), torch.full((2, 2), 2.0 * (1 - 0.01 * 0.1)))


def test_decay_of_a_step_that_is_not_torchs_must_be_explained() -> None:
    with pytest.raises(ValueError, match=r"`decoupled` must be given for OwnStep with `weight_decay` 0.1"):
        AutoBalance(net().parameters(), OwnStep, weight_decay=0.1)


def test_decay_of_a_foreign_optimizer_must_be_explained() -> None:
    with pytest.raises(ValueError, match=r"`decoupled` must be given for SOAP with `weight_decay` 0.01"):
        AutoBalance(net().parameters(), SOAP)
    group = AutoBalance(net().parameters(), SOAP, decoupled=True).param_groups[0]
    assert (group["decoupled"], group["weight_decay"]) == (True, 0.01)


# Options --------------------------------------------------------------------------------------------------------------


def test_schedules_reach_the_wrapped_optimizers() -> None:
    u, v = net(), net()
    ends = []
    for w, optimizer in [
        (u, AutoBalance(u.parameters(), optim.AdamW, lr=1e-2, weight_decay=0.1)),
        (v, AutoAdamW(v.parameters(), lr=1e-2, weight_decay=0.1)),
    ]:
        schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        for k in range(6):
            end = train(w, optimizer, 1, k)
            schedule.step()
        ends.append(end)
    assert_close(*ends)


def test_parameter_groups_keep_their_options() -> None:
    u = net()
    first, second = list(u[0].parameters()), list(u[2].parameters())
    optimizer = AutoBalance([{"params": first, "lr": 0.0}, {"params": second}], optim.SGD, lr=0.1)
    before = [p.detach().clone() for p in u.parameters()]
    after = train(u, optimizer, 3)
    assert_close(after[:2], before[:2], rtol=0, atol=0)
    assert all((a != b).any() for a, b in zip(after[2:], before[2:], strict=True))


def test_a_group_may_be_added_later() -> None:
    u = net()
    optimizer = AutoBalance(u[0].parameters(), optim.SGD, lr=0.1, momentum=0.9)
    train(u, optimizer, 2)
    optimizer.add_param_group({"params": list(u[2].parameters()), "lr": 0.2})
    before = u[2].weight.detach().clone()
    train(u, optimizer, 1)
    assert optimizer.param_groups[1]["momentum"] == 0.9
    assert (u[2].weight != before).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (optim.LBFGS, "evaluate the losses once per step, got LBFGS"),
        (optim.SparseAdam, r"must take dense gradients, got SparseAdam.* Use torch\.optim\.Adam"),
        (AutoAdamW, "an ordinary torch optimizer, got AutoAdamW"),
        (partial(optim.SGD, lr=-1.0), "Invalid learning rate"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AutoBalance(net().parameters(), make)


# State ----------------------------------------------------------------------------------------------------------------


def through_disk(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


@every
def test_goes_on_from_a_state_dict(make: Callable[[Any], optim.Optimizer]) -> None:
    u, v = net().float(), net().float()  # in float64 torch's own NAdam comes back with a rounded state
    optimizer = AutoBalance(u.parameters(), make)
    train(u, optimizer, 5)
    v.load_state_dict(u.state_dict())
    resumed = AutoBalance(v.parameters(), make)
    resumed.load_state_dict(through_disk(optimizer.state_dict()))
    assert_close(train(v, resumed, 5, 5), train(u, optimizer, 5, 5), rtol=0, atol=0)


@every
def test_copies_go_the_same_way(make: Callable[[Any], optim.Optimizer]) -> None:
    u = net().float()
    optimizer = AutoBalance(u.parameters(), make)
    train(u, optimizer, 5)
    v, copied = copy.deepcopy((u, optimizer))
    w, pickled = pickle.loads(pickle.dumps((u, optimizer)))
    end = train(u, optimizer, 5, 5)
    assert_close(train(v, copied, 5, 5), end, rtol=0, atol=0)
    assert_close(train(w, pickled, 5, 5), end, rtol=0, atol=0)


def test_a_state_before_the_first_step_is_loaded() -> None:
    """It replaces whatever the optimizer has learned before, and brings its options."""
    make = partial(optim.SGD, momentum=0.9)
    u, v = net(), net()
    fresh = AutoBalance(u.parameters(), make, lr=1e-2)
    used = AutoBalance(v.parameters(), make, lr=0.5)
    train(v, used, 2)
    v.load_state_dict(u.state_dict())
    used.load_state_dict(fresh.state_dict())
    assert used.param_groups[0]["lr"] == 1e-2
    assert_close(train(v, used, 3), train(u, fresh, 3), rtol=0, atol=0)


def test_a_foreign_state_is_refused() -> None:
    with pytest.raises(ValueError, match="`state_dict` must come from AutoBalance"):
        AutoBalance(net().parameters(), optim.AdamW).load_state_dict(AutoAdamW(net().parameters()).state_dict())


def test_the_state_follows_the_network_to_another_type() -> None:
    u = net()
    optimizer = AutoBalance(u.parameters(), optim.AdamW, lr=1e-2)
    train(u, optimizer, 3)
    u.float()
    for p in u.parameters():
        p.jac = torch.ones(3, *p.shape)  # type: ignore[attr-defined]
    optimizer.step()
    state = optimizer.state_dict()["optimizers"][0][0]["state"][0]
    assert state["exp_avg"].dtype == torch.float32
    assert state["step"] == 4
