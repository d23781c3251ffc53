"""What holds for every post-combine optimizer, shown on the simplest one and checked on all."""

import copy
import io
import math
import pickle
import re
from collections.abc import Callable
from typing import Any, final

import jaxtyping
import pytest
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler
from torch.testing import assert_close

from lightning_autobalance.jacobian import backward
from lightning_autobalance.optim import AutoAdam, AutoAdamW, PostCombine


@final
class Descent(PostCombine):
    """Each term steps down its own gradient."""

    def __init__(self, params: Any, lr: Any = 0.1, weight_decay: float = 0.0, combine: Any = "sum") -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "combine": combine})

    def _update_(self, deltas: list[Tensor], params: list[Tensor], jacs: list[Tensor], group: dict[str, Any]) -> None:
        for delta, jac in zip(deltas, jacs, strict=True):
            delta.copy_(-group["lr"] * jac)


Make = Callable[[Any], PostCombine]
EVERY: dict[str, Make] = {
    "descent": Descent,
    "auto_adam": AutoAdam,
    "auto_adamw": AutoAdamW,
    "auto_adamw_weights": lambda params: AutoAdamW(params, weight_decay=0.1, combine=[0.5, 2.0]),
    "auto_adamw_eps_root": lambda params: AutoAdamW(params, eps=0.0, eps_root=1e-8),
    "auto_adamw_foreach": lambda params: AutoAdamW(params, foreach=True),
    "auto_adamw_tensor_lr": lambda params: AutoAdamW(params, lr=torch.tensor(1e-3), capturable=True),
}
every = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)


def parameter(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def put(p: Tensor, rows: Any) -> None:
    p.jac = torch.tensor(rows, dtype=p.dtype)  # type: ignore[attr-defined]


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()


def train(u: nn.Module, optimizer: PostCombine, steps: int, start: int = 0) -> list[Tensor]:
    for k in range(start, start + steps):
        x = torch.rand(7, 2, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
        optimizer.zero_grad()
        backward({"a": u(x).square().mean(), "b": (u(x) - 1).abs().mean()}, u.parameters())
        optimizer.step()
    return [p.detach().clone() for p in u.parameters()]


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


# Gradients ------------------------------------------------------------------------------------------------------------


@every
def test_parameter_without_jac_is_left_alone(make: Make) -> None:
    a, b, c = parameter(1.0), parameter(1.0), parameter(1.0)
    optimizer = make([a, b, c])
    put(a, [[1.0], [2.0]])
    b.jac = None  # type: ignore[attr-defined]
    optimizer.step()
    assert a.item() != 1.0
    assert (b.item(), c.item()) == (1.0, 1.0)
    assert not optimizer.state[b]
    assert not optimizer.state[c]


@every
def test_parameter_may_join_later(make: Make) -> None:
    a, b = parameter(1.0), parameter(1.0)
    optimizer = make([a, b])
    put(a, [[1.0], [2.0]])
    optimizer.step()
    put(b, [[1.0], [2.0]])
    optimizer.step()
    assert b.item() != 1.0


@every
def test_no_jac_at_all_names_the_call_that_is_missing(make: Make) -> None:
    w = parameter(1.0)
    w.grad = torch.ones_like(w)
    with pytest.raises(
        RuntimeError, match=r"got none\. Call `lightning_autobalance\.backward\(losses, params\)` instead"
    ):
        make([w]).step()


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


@every
def test_number_of_terms_is_kept(make: Make) -> None:
    w = parameter(1.0)
    optimizer = make([w])
    put(w, [[1.0], [2.0]])
    optimizer.step()
    put(w, [[1.0], [2.0], [3.0]])
    with pytest.raises(ValueError, match=r"trained with 2 loss terms, found 3: .* or make a new optimizer"):
        optimizer.step()
    fresh = make([w])
    fresh.load_state_dict(optimizer.state_dict())
    with pytest.raises(ValueError, match="trained with 2 loss terms, found 3"):
        fresh.step()


def test_weights_must_fit_the_terms() -> None:
    w = parameter(1.0)
    put(w, [[1.0], [2.0]])
    with pytest.raises(ValueError, match="`combine` must hold one weight per loss term, 2, got 3 weights"):
        Descent([w], combine=[1.0, 1.0, 1.0]).step()


@every
def test_gradient_in_any_memory_layout(make: Make) -> None:
    results = []
    for layout in (lambda jac: jac, lambda jac: jac.transpose(1, 2).contiguous().transpose(1, 2)):
        w = torch.ones(3, 2, dtype=torch.float64, requires_grad=True)
        optimizer = make([w])
        for k in range(3):
            w.jac = layout(torch.arange(12.0, dtype=torch.float64).view(2, 3, 2) - k)  # type: ignore[attr-defined]
            optimizer.step()
        results.append(w.detach())
    assert_close(*results, rtol=0.0, atol=0.0)


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


@every
def test_torchjd_feeds_the_optimizer(make: Make) -> None:
    autojac = pytest.importorskip("torchjd.autojac")
    ours, theirs = net(), net()
    expected = train(ours, make(ours.parameters()), 1)
    optimizer = make(theirs.parameters())
    for _ in range(2):  # the second time after zero_grad, into which TorchJD must be able to write
        x = torch.rand(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        optimizer.zero_grad()
        autojac.backward([theirs(x).square().mean(), (theirs(x) - 1).abs().mean()])
    optimizer.step()
    assert_close([p.detach() for p in theirs.parameters()], expected)


# Closure and hooks ----------------------------------------------------------------------------------------------------


@every
def test_closure_is_called_first_and_its_value_returned(make: Make) -> None:
    w = parameter(1.0)

    def closure() -> Tensor:
        losses = {"a": w.square().sum(), "b": (w + 3).square().sum()}
        backward(losses, [w])
        return torch.stack(list(losses.values())).sum().detach()

    optimizer = make([w])
    assert_close(optimizer.step(closure).item(), 17.0)
    assert w.item() != 1.0
    assert optimizer.step() is None


@every
def test_hook_sees_each_terms_own_update_once_per_step(make: Make) -> None:
    a, b = parameter(1.0, 2.0), parameter(3.0)
    optimizer = make([{"params": [a]}, {"params": [b], "lr": 0.5, "combine": "sum", "weight_decay": 0.0}])
    seen: list[list[Tensor]] = []

    def hook(params: list[Tensor], deltas: list[Tensor]) -> None:
        assert [p is q for p, q in zip(params, [a, b], strict=True)] == [True, True]
        assert params[1].item() == 3.0  # nothing moved yet
        seen.append([delta.clone() for delta in deltas])

    handle = optimizer.register_update_hook(hook)
    put(a, [[1.0, 1.0], [3.0, -2.0]])
    put(b, [[2.0], [-5.0]])
    optimizer.step()
    handle.remove()
    assert [delta.shape for delta in seen[0]] == [(2, 2), (2, 1)]
    assert_close(b.item(), 3.0 + seen[0][1].sum().item())
    optimizer.step()
    assert len(seen) == 1


def test_hook_changes_nothing() -> None:
    plain, watched = net(), net()
    optimizer = AutoAdamW(watched.parameters(), combine=[0.3, 0.7])
    optimizer.register_update_hook(lambda _params, _deltas: None)
    expected = train(plain, AutoAdamW(plain.parameters(), combine=[0.3, 0.7]), 5)
    assert_close(train(watched, optimizer, 5), expected, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
def test_hooks_are_not_copied(copied: Callable[[PostCombine], PostCombine]) -> None:
    calls: list[int] = []
    optimizer = Descent([nn.Parameter(torch.ones(1))])
    handle = optimizer.register_update_hook(_Count(calls))
    twin = copied(optimizer)
    (w,) = twin.param_groups[0]["params"]
    put(w, [[1.0]])
    twin.step()
    assert not calls
    twin.register_update_hook(_Count(calls))
    twin.step()
    assert calls == [1]
    handle.remove()


class _Count:
    def __init__(self, calls: list[int]) -> None:
        self.calls = calls

    def __call__(self, params: list[Tensor], _deltas: list[Tensor]) -> None:
        self.calls.append(len(params))


# Lifecycle ------------------------------------------------------------------------------------------------------------


@every
def test_resume_equals_uninterrupted(make: Make) -> None:
    u = net()
    optimizer = make(u.parameters())
    train(u, optimizer, 5)
    file = io.BytesIO()
    torch.save({"net": u.state_dict(), "optimizer": optimizer.state_dict()}, file)
    expected = train(u, optimizer, 5, start=5)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    fresh = net()
    again = make(fresh.parameters())
    fresh.load_state_dict(saved["net"])
    again.load_state_dict(saved["optimizer"])
    assert_close(train(fresh, again, 5, start=5), expected, rtol=0.0, atol=0.0)


@every
def test_loading_into_a_used_optimizer_replaces_its_state(make: Make) -> None:
    u = net()
    optimizer = make(u.parameters())
    calls: list[int] = []
    optimizer.register_update_hook(_Count(calls))
    train(u, optimizer, 2)
    weights, state = copy.deepcopy(u.state_dict()), copy.deepcopy(optimizer.state_dict())
    expected = train(u, optimizer, 2, start=2)
    u.load_state_dict(weights)
    optimizer.load_state_dict(state)
    assert_close(train(u, optimizer, 2, start=2), expected, rtol=0.0, atol=0.0)
    assert calls == [4] * 6  # loading keeps the hooks


@every
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))], ids=["deepcopy", "pickle"]
)
def test_a_copy_goes_the_same_way_by_itself(make: Make, copied: Callable[[Any], Any]) -> None:
    u = net()
    optimizer = make(u.parameters())
    train(u, optimizer, 3)
    optimizer.zero_grad()
    u2, optimizer2 = copied((u, optimizer))
    expected = train(u, optimizer, 3, start=3)
    assert_close(train(u2, optimizer2, 3, start=3), expected, rtol=0.0, atol=0.0)


def test_state_of_another_kind_of_optimizer_is_refused() -> None:
    u = net()
    with pytest.raises(ValueError, match="`state_dict` must come from AutoAdamW, got one with a single state"):
        AutoAdamW(u.parameters()).load_state_dict(torch.optim.AdamW(u.parameters()).state_dict())


@every
def test_group_added_later_is_trained(make: Make) -> None:
    a, b = parameter(1.0), parameter(1.0)
    optimizer = make([a])
    put(a, [[1.0], [2.0]])
    optimizer.step()
    optimizer.add_param_group({"params": [b], "lr": 0.25})
    put(b, [[1.0], [2.0]])
    optimizer.step()
    assert b.item() != 1.0
    assert optimizer.param_groups[1]["lr"] == 0.25


def test_named_parameters() -> None:
    u = net()
    optimizer = AutoAdamW(u.named_parameters())
    train(u, optimizer, 1)
    assert optimizer.param_groups[0]["param_names"][0] == "0.weight"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": -1.0}, "`lr` must be finite and >= 0, got -1.0"),
        ({"lr": math.nan}, "`lr` must be finite and >= 0, got nan"),
        ({"lr": torch.ones(2)}, r"`lr` must be one number, got a tensor of shape \(2,\)"),
        ({"weight_decay": -0.5}, "`weight_decay` must be finite and >= 0, got -0.5"),
        ({"combine": "median"}, '`combine` must be "sum", "mean" or a list of weights, got "median"'),
        ({"combine": [1.0, math.inf]}, r"`combine` must hold one finite weight per loss term, got \[1.0, inf\]"),
        ({"combine": []}, r"`combine` must hold one finite weight per loss term, got \[\]"),
    ],
)
@every
def test_bad_values_are_refused(make: Make, values: dict[str, Any], message: str) -> None:
    w = parameter(1.0)
    with pytest.raises(ValueError, match=message):
        make([{"params": [w], **values}])
    optimizer = make([w])
    with pytest.raises(ValueError, match=message):
        optimizer.add_param_group({"params": [parameter(1.0)], **values})
    assert len(optimizer.param_groups) == 1


@every
def test_parameters_of_other_types_are_refused(make: Make) -> None:
    for dtype in (torch.complex64, torch.int64):
        with pytest.raises(TypeError, match=re.escape(f"`params` must be of real floating-point type, got {dtype}")):
            make([torch.ones(2, dtype=dtype)])


SCHEDULERS: dict[str, Callable[[torch.optim.Optimizer], Any]] = {
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda k: 1 / (k + 1)),
    "multiplicative": lambda o: lr_scheduler.MultiplicativeLR(o, lambda _k: 0.9),
    "step": lambda o: lr_scheduler.StepLR(o, 2, 0.5),
    "multi_step": lambda o: lr_scheduler.MultiStepLR(o, [1, 3]),
    "constant": lambda o: lr_scheduler.ConstantLR(o, 0.5, 3),
    "linear": lambda o: lr_scheduler.LinearLR(o, 0.1, total_iters=4),
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, 0.8),
    "polynomial": lambda o: lr_scheduler.PolynomialLR(o, 5, 2.0),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 5),
    "restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
    "one_cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=10),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=2, cycle_momentum=False),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0),
    "sequential": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1), lr_scheduler.ExponentialLR(o, 0.5)], [2]
    ),
    "chained": lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.LinearLR(o), lr_scheduler.ExponentialLR(o, 0.9)]),
}


@pytest.mark.parametrize("schedule", SCHEDULERS.values(), ids=SCHEDULERS)
def test_torch_schedules_act_as_on_adamw(schedule: Callable[[torch.optim.Optimizer], Any]) -> None:
    """One term is AdamW; OneCycleLR moves the betas, too."""
    w, v = parameter(1.0, -2.0), parameter(1.0, -2.0)
    ours, torchs = AutoAdamW([w], lr=0.1, weight_decay=0.1), torch.optim.AdamW([v], lr=0.1, weight_decay=0.1)
    schedules = schedule(ours), schedule(torchs)
    for k in range(8):
        gradient = torch.tensor([1.0 + k, -3.0], dtype=torch.float64)
        w.jac, v.grad = gradient[None], gradient  # type: ignore[attr-defined]
        ours.step()
        torchs.step()
        for s in schedules:
            s.step(*([1.0] if isinstance(s, lr_scheduler.ReduceLROnPlateau) else []))
    assert ours.param_groups[0]["lr"] == torchs.param_groups[0]["lr"]
    assert_close(w, v, rtol=1e-14, atol=1e-14)


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")  # torch's own, in inductor
@pytest.mark.parametrize(
    ("make", "backend"),
    [
        pytest.param(make, backend, id=f"{name}-{backend}", marks=pytest.mark.slow if slow else ())
        for name, make in EVERY.items()
        for backend in ("aot_eager", "inductor")
        for slow in [backend == "inductor" or name in ("auto_adamw_weights", "auto_adamw_foreach")]
    ],
)
def test_compiled_step_equals_eager(make: Make, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # Dynamo cannot trace the checks
    torch._dynamo.reset()
    plain, compiled = net(), net()
    expected = train(plain, make(plain.parameters()), 5)
    optimizer = make(compiled.parameters())
    monkeypatch.setattr(optimizer, "step", torch.compile(optimizer.step, backend=backend, fullgraph=True))
    assert_close(train(compiled, optimizer, 5), expected, rtol=1e-13, atol=1e-14)
    torch._dynamo.reset()
