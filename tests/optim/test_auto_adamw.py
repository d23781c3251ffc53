"""AutoAdamW against numbers worked out by hand, torch's AdamW and the paper's algorithm."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from helpers.optimizers import STEPS, parameter, path, random_jacs
from lightning_autobalance.jacobian import backward
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.optim.reference import auto_adamw_reference_

KERNELS: dict[str, dict[str, Any]] = {
    "default": {},
    "loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
    "tensor_lr": {"lr": torch.tensor(0.1, dtype=torch.float64)},
    "capturable": {"capturable": True},
}
kernels = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
rooted = pytest.mark.parametrize(
    "kernel", [pytest.param(options, id=name) for name, options in KERNELS.items() if name not in ("loop", "fused")]
)


# Hand-computed values -------------------------------------------------------------------------------------------------


@kernels
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"weight_decay": 0.01},
            [[0.799000001, -0.9990000005], [0.7116860474, -0.998001001], [0.6451326234, -1.0227379495]],
        ),
        ({}, [[0.800000001, -1.0000000005], [0.7134850474, -1.000000001], [0.6476433094, -1.0257349505]]),
        (
            {"combine": "mean", "betas": (0.99, 0.99)},  # MultiAdam
            [[0.9000000005, -1.0000000002], [0.8555073794, -1.0000000005], [0.8200282882, -1.0120969817]],
        ),
        (
            {"combine": [0.5, 0.5], "betas": (0.99, 0.99)},
            [[0.9000000005, -1.0000000002], [0.8555073794, -1.0000000005], [0.8200282882, -1.0120969817]],
        ),
    ],
)
def test_three_steps_by_hand(kernel: dict[str, Any], options: dict[str, Any], expected: list[list[float]]) -> None:
    optimizer = AutoAdamW([parameter(1.0, -1.0)], **{"lr": 0.1, **options, **kernel})
    assert_close(path(optimizer, STEPS), expected, rtol=0.0, atol=6e-11)


@rooted
def test_inside_the_root_by_hand(kernel: dict[str, Any]) -> None:
    """3 / (sqrt(9 + 16) + 1) = 1/2 of the lr, and 12 / (sqrt(144 + 16 + 9) + 1) = 6/7."""
    options = {"lr": 0.1, "betas": (0.0, 0.0), **kernel}
    optimizer = AutoAdamW([parameter(1.0, -1.0)], **{**options, "eps": 1.0, "eps_root": 16.0})
    points = path(optimizer, [[[3.0, 0.0], [-3.0, 3.0]], [[0.0, -3.0], [3.0, 0.0]]])
    assert_close(points, [[1.0, -1.05], [0.95, -1.0]], rtol=0.0, atol=1e-15)
    without = AutoAdamW([parameter(0.0)], **{**options, "eps": 0.0, "eps_root": 25.0})
    assert_close(path(without, [[[12.0]], [[-12.0]]]), [[-1.2 / 13], [0.0]], rtol=0.0, atol=1e-15)


@pytest.mark.parametrize(
    ("gradient", "inside", "outside"),
    [(1e-6, 0.0099995, 0.990099), (1e-4, 0.7071068, 0.9999), (1e-3, 0.9950372, 0.99999)],
)
def test_the_papers_two_places_of_eps_differ_where_gradients_are_small(
    gradient: float, inside: float, outside: float
) -> None:
    for options, expected in (({"eps": 0.0, "eps_root": 1e-8}, inside), ({"eps": 1e-8}, outside)):
        assert_close(
            path(AutoAdamW([parameter(0.0)], lr=1.0, **options), [[[gradient]]]), [[-expected]], rtol=0.0, atol=1e-7
        )


def test_plain_adamw_goes_elsewhere() -> None:
    expected = [[0.899, -1.099], [0.9013433271, -1.197901], [0.8816947349, -1.2749366553]]
    plain = torch.optim.AdamW([parameter(1.0, -1.0)], lr=0.1, weight_decay=0.01)
    assert_close(path(plain, STEPS), expected, rtol=0.0, atol=1e-9)
    one_term = AutoAdamW([parameter(1.0, -1.0)], lr=0.1, weight_decay=0.01)
    summed = torch.tensor(STEPS).sum(dim=1, keepdim=True)
    assert_close(path(one_term, summed), expected, rtol=0.0, atol=1e-9)


def test_each_terms_own_step_by_hand() -> None:
    seen: list[Tensor] = []
    optimizer = AutoAdamW([parameter(1.0, -1.0)], lr=0.1)
    optimizer.register_update_hook(lambda _params, deltas: seen.append(deltas[0].clone()))
    path(optimizer, STEPS[:2])
    expected = torch.tensor([[0.91778111, -1.0], [-0.05263158, 1.0]], dtype=torch.float64)
    assert_close(seen[1], -0.1 * expected, rtol=0.0, atol=2e-9)


def test_decay_is_off_by_default() -> None:
    w = parameter(5.0)
    path(AutoAdamW([w]), [[[0.0], [0.0]]])
    assert w.item() == 5.0


# Invariants -----------------------------------------------------------------------------------------------------------


@kernels
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_one_term_is_adamw(kernel: dict[str, Any], weight_decay: float) -> None:
    jacs = random_jacs(100, 1, 3)
    options = {"lr": 1e-2, "weight_decay": weight_decay, **kernel}
    torchs = torch.optim.AdamW([parameter(1.0, -1.0, 0.0)], lr=float(options["lr"]), weight_decay=weight_decay)
    ours = AutoAdamW([parameter(1.0, -1.0, 0.0)], **options)
    assert_close(path(ours, jacs), path(torchs, jacs), rtol=1e-14, atol=1e-14)


def test_rescaling_a_term_changes_nothing() -> None:
    jacs = random_jacs(20, 3, 5)
    scaled = [jac * torch.tensor([[1e3], [1.0], [1e-1]]) for jac in jacs]
    exact = {"lr": 0.1, "eps": 1e-30}
    once, again = (path(AutoAdamW([parameter(*range(5))], **exact), run) for run in (jacs, scaled))
    assert_close(once, again, rtol=0.0, atol=1e-12)
    once, again = (path(AutoAdamW([parameter(*range(5))], lr=0.1), run) for run in (jacs, scaled))
    assert_close(once, again, rtol=0.0, atol=1e-4)  # eps shows where gradients are small


@pytest.mark.parametrize("combine", ["sum", "mean"])
def test_order_of_terms_changes_nothing(combine: Any) -> None:
    jacs = random_jacs(20, 3, 5)
    once, again = (
        path(AutoAdamW([parameter(*range(5))], lr=0.1, combine=combine), run)
        for run in (jacs, [jac[[2, 0, 1]] for jac in jacs])
    )
    assert_close(once, again, rtol=0.0, atol=1e-13)


def test_a_term_n_times_is_n_steps_of_adam() -> None:
    jacs = random_jacs(20, 1, 5)
    tripled = AutoAdamW([parameter(*range(5))], lr=0.1)
    meant = AutoAdamW([parameter(*range(5))], lr=0.1, combine="mean")
    adam = torch.optim.Adam([parameter(*range(5))], lr=0.3)
    plain = torch.optim.Adam([parameter(*range(5))], lr=0.1)
    assert_close(path(tripled, [jac.expand(3, 5) for jac in jacs]), path(adam, jacs), rtol=0.0, atol=1e-12)
    assert_close(path(meant, [jac.expand(3, 5) for jac in jacs]), path(plain, jacs), rtol=0.0, atol=1e-12)


@pytest.mark.parametrize(
    "kernel", [*KERNELS.values(), {"eps": 0.0, "eps_root": 1e-8}], ids=[*KERNELS, "inside_the_root"]
)
def test_a_term_without_gradient_adds_nothing(kernel: dict[str, Any]) -> None:
    jacs = random_jacs(20, 1, 5)
    silent = [torch.cat([jac, torch.zeros(1, 5)]) for jac in jacs]
    options = {"lr": 0.1, **kernel}
    optimizer = AutoAdamW([parameter(*range(5))], **options)
    one_term = AutoAdamW([parameter(*range(5))], **options)
    assert_close(path(optimizer, silent), path(one_term, jacs), rtol=0.0, atol=0.0)
    (state,) = optimizer.state.values()
    assert state["exp_avg"][1].abs().max() == state["exp_avg_sq"][1].abs().max() == 0.0


# Reference ------------------------------------------------------------------------------------------------------------


def assert_equals_the_reference(kernel: dict[str, Any], shape: tuple[int, ...], values: dict[str, Any]) -> None:
    w = torch.ones(shape, dtype=torch.float64, requires_grad=True)
    v, exp_avg, exp_avg_sq = w.detach().clone(), *torch.zeros(2, 3, *shape, dtype=torch.float64)
    optimizer = AutoAdamW([w], **{**values, **kernel})
    for step, jac in enumerate(random_jacs(10, 3, *shape), start=1):
        w.jac = jac  # type: ignore[attr-defined]
        optimizer.step()
        auto_adamw_reference_(v, jac, exp_avg, exp_avg_sq, step=step, **values)
    (state,) = optimizer.state.values()
    assert_close(w.detach(), v, rtol=0.0, atol=1e-13)
    assert_close((state["exp_avg"], state["exp_avg_sq"]), (exp_avg, exp_avg_sq), rtol=1e-13, atol=0.0)
    assert state["step"].item() == 10.0


@kernels
@pytest.mark.parametrize("shape", [(), (4,), (3, 2)])
@pytest.mark.parametrize("combine", ["sum", "mean", [0.2, 3.0, -1.0]])
def test_equals_the_reference(kernel: dict[str, Any], shape: tuple[int, ...], combine: Any) -> None:
    values = {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.02, "combine": combine}
    assert_equals_the_reference(kernel, shape, values)


@rooted
@pytest.mark.parametrize("shape", [(), (4,), (3, 2)])
@pytest.mark.parametrize(("eps", "eps_root"), [(0.0, 1e-4), (1e-3, 1e-2)])
def test_equals_the_reference_inside_the_root(
    kernel: dict[str, Any], shape: tuple[int, ...], eps: float, eps_root: float
) -> None:
    values = {"lr": 0.1, "betas": (0.8, 0.95), "eps": eps, "eps_root": eps_root, "weight_decay": 0.02}
    assert_equals_the_reference(kernel, shape, values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_other_precisions(dtype: torch.dtype) -> None:
    w = parameter(1.0, -1.0, dtype=dtype)
    points = path(AutoAdamW([w], lr=0.1), STEPS)
    expected = [[0.8, -1.0], [0.7134850474, -1.0], [0.6476433094, -1.0257349505]]
    assert_close(points, expected, rtol=0.0, atol=1e-6 if dtype == torch.float32 else 3e-2)


# Lifecycle ------------------------------------------------------------------------------------------------------------


def test_state_is_named_as_in_torch() -> None:
    optimizer = AutoAdamW([torch.ones(3, 2, requires_grad=True)])
    optimizer.param_groups[0]["params"][0].jac = torch.ones(4, 3, 2)
    optimizer.step()
    (state,) = optimizer.state.values()
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        "step": (),
        "exp_avg": (4, 3, 2),
        "exp_avg_sq": (4, 3, 2),
    }
    assert state["step"].dtype == torch.float32


def test_weights_may_change_type_between_steps() -> None:
    u = nn.Linear(2, 1)
    optimizer = AutoAdamW(u.parameters(), lr=0.1)
    for dtype in (torch.float32, torch.float64, torch.float32):
        u.to(dtype)
        optimizer.zero_grad()
        backward({"a": u(torch.ones(1, 2, dtype=dtype)).square().sum()}, u.parameters())
        optimizer.step()
    assert [state["step"].item() for state in optimizer.state.values()] == [3.0, 3.0]
    assert {state["exp_avg"].dtype for state in optimizer.state.values()} == {torch.float32}


def test_a_state_from_before_eps_root_is_loaded() -> None:
    jacs = random_jacs(6, 2, 3)
    old = AutoAdamW([parameter(*range(3))], lr=0.1)
    path(old, jacs[:3])
    saved = copy.deepcopy(old.state_dict())
    del saved["param_groups"][0]["eps_root"]
    fresh = AutoAdamW([old.param_groups[0]["params"][0].detach().clone().requires_grad_()], eps_root=0.5)
    fresh.load_state_dict(saved)
    assert fresh.param_groups[0]["eps_root"] == 0.0  # with which it was trained
    assert_close(path(fresh, jacs[3:]), path(old, jacs[3:]), rtol=0.0, atol=0.0)


def test_eps_root_may_be_turned_on_and_off_by_a_group() -> None:
    jacs = random_jacs(1, 2, 3)
    inside, outside = parameter(*range(3)), parameter(*range(3))
    optimizer = AutoAdamW([{"params": [inside], "eps_root": 1.0}, {"params": [outside]}], lr=0.1)
    for w in (inside, outside):
        w.jac = jacs[0]  # type: ignore[attr-defined]
    optimizer.step()
    for w, eps_root in ((inside, 1.0), (outside, 0.0)):
        alone = AutoAdamW([parameter(*range(3))], lr=0.1, eps_root=eps_root)
        assert path(alone, jacs) == [w.tolist()]
    assert inside.tolist() != outside.tolist()


def test_moments_of_another_network_are_refused() -> None:
    wide, narrow = (AutoAdamW([torch.ones(n, requires_grad=True)]) for n in (3, 2))
    path(wide, [[[1.0, 1.0, 1.0]]])
    with pytest.raises(ValueError, match=r"`exp_avg` of parameter 0 .* must have the shape \(1, 2\), got \(1, 3\)"):
        narrow.load_state_dict(wide.state_dict())
    path(narrow, [[[1.0, 1.0]]])
    for name in ("exp_avg", "exp_avg_sq"):
        narrow.state[narrow.param_groups[0]["params"][0]][name] = torch.ones(1, 3)  # not by `load_state_dict`
        with pytest.raises(ValueError, match=rf"`{name}` must have the shape of `jac`, \(1, 2\), got \(1, 3\)"):
            path(narrow, [[[1.0, 1.0]]])
        narrow.state[narrow.param_groups[0]["params"][0]][name] = torch.ones(1, 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"eps": -1.0}, "`eps` must be finite and >= 0, got -1.0"),
        ({"eps": 0.0}, "`eps` must be > 0, got 0: .* Or give a positive `eps_root`"),
        ({"eps_root": -1.0}, "`eps_root` must be finite and >= 0, got -1.0"),
        ({"eps_root": 1e-8, "fused": True}, "`fused` must not be true with an `eps_root`, got 1e-08: .* Leave `fused`"),
        ({"betas": (1.0, 0.999)}, r"`betas\[0\]` must be in \[0, 1\), got 1.0"),
        ({"betas": (0.9, -0.1)}, r"`betas\[1\]` must be in \[0, 1\), got -0.1"),
        ({"fused": True, "foreach": True}, "`fused` and `foreach` must not both be true"),
        ({"lr": torch.tensor(0.1), "foreach": True}, "`lr` must be a number with `foreach=True`, got a tensor"),
    ],
)
def test_bad_values_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AutoAdamW([parameter(1.0)], **values)


def test_lightning_steps_it_through_its_wrapper() -> None:
    core = pytest.importorskip("lightning.pytorch.core.optimizer")
    optimizer = AutoAdamW([parameter(1.0, -1.0)], lr=0.1)
    wrapper = core.LightningOptimizer(optimizer)
    assert isinstance(wrapper, AutoAdamW)
    handle = wrapper.register_update_hook(lambda _params, _deltas: None)
    assert len(optimizer._update_hooks) == 1
    handle.remove()
    (w,) = optimizer.param_groups[0]["params"]
    w.jac = torch.ones(2, 2, dtype=torch.float64)
    wrapper.zero_grad()
    assert not hasattr(w, "jac")


def test_tensor_lr_follows_a_schedule() -> None:
    lr = torch.tensor(0.1, dtype=torch.float64)
    optimizer = AutoAdamW([parameter(1.0, -1.0)], lr=lr, capturable=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    number = AutoAdamW([parameter(1.0, -1.0)], lr=0.1)
    for k, jac in enumerate(STEPS):
        number.param_groups[0]["lr"] = 0.1 * 0.5**k
        assert_close(path(optimizer, [jac]), path(number, [jac]), rtol=0.0, atol=1e-8)
        schedule.step()
    assert isinstance(optimizer.param_groups[0]["lr"], Tensor)


# GPU ------------------------------------------------------------------------------------------------------------------

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def gpu_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1)).double().cuda()


@gpu
@pytest.mark.parametrize("eps_root", [0.0, 1.0])
@pytest.mark.parametrize("kernel", [{}, {"foreach": True}, {"foreach": False}, {"capturable": True}])
def test_gpu_equals_cpu(kernel: dict[str, Any], eps_root: float) -> None:
    jacs = random_jacs(10, 3, 5)
    on_cpu = AutoAdamW([parameter(*range(5))], lr=0.1, weight_decay=0.1, eps_root=eps_root)
    w = torch.arange(5.0, dtype=torch.float64, device="cuda", requires_grad=True)
    on_gpu = AutoAdamW([w], lr=0.1, weight_decay=0.1, eps_root=eps_root, **kernel)
    assert_close(path(on_gpu, jacs), path(on_cpu, jacs), rtol=0.0, atol=1e-12)


@gpu
def test_state_loaded_from_cpu_follows_the_weights() -> None:
    jacs = random_jacs(6, 3, 5)
    on_cpu = AutoAdamW([parameter(*range(5))], lr=0.1)
    path(on_cpu, jacs[:3])
    (w,) = on_cpu.param_groups[0]["params"]
    on_gpu = AutoAdamW([w.detach().cuda().requires_grad_()], lr=0.1)
    on_gpu.load_state_dict(on_cpu.state_dict())
    assert_close(path(on_gpu, jacs[3:]), path(on_cpu, jacs[3:]), rtol=0.0, atol=1e-12)


def _fill(u: nn.Module, k: int) -> None:
    generator = torch.Generator(device="cuda").manual_seed(k)
    for p in u.parameters():
        new = torch.randn(2, *p.shape, generator=generator, dtype=p.dtype, device=p.device)
        if not hasattr(p, "jac"):
            p.jac = torch.empty_like(new)
        p.jac.copy_(new)


@gpu
@pytest.mark.parametrize("eps_root", [0.0, 1.0])
def test_captured_step_equals_eager(eps_root: float) -> None:
    eager, captured = gpu_net(), gpu_net()
    lr = torch.tensor(0.5, device="cuda")  # torch's fused kernel reads it in float32
    plain = AutoAdamW(eager.parameters(), lr=0.5, weight_decay=0.1, eps_root=eps_root)
    optimizer = AutoAdamW(captured.parameters(), lr=lr, weight_decay=0.1, eps_root=eps_root, capturable=True)
    for k in range(3):  # warm-up on a side stream, as torch asks for
        _fill(captured, k)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            optimizer.step()
        torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.step()
    for k in range(3, 8):
        lr.fill_(2.0**-k)
        _fill(captured, k)
        graph.replay()
    for k in range(8):
        plain.param_groups[0]["lr"] = 0.5 if k < 3 else 2.0**-k
        _fill(eager, k)
        plain.step()
    assert_close(list(captured.parameters()), list(eager.parameters()), rtol=0.0, atol=1e-12)


@gpu
def test_capture_without_capturable_is_refused() -> None:
    u = gpu_net()
    optimizer = AutoAdamW(u.parameters())
    _fill(u, 0)
    optimizer.step()
    with pytest.raises(RuntimeError, match="`capturable` must be true"), torch.cuda.graph(torch.cuda.CUDAGraph()):
        optimizer.step()
