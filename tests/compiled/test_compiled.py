"""Compiled equals uncompiled, or says why it is not."""

import copy
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from helpers.conditions import Plate, Ring, SoftRing
from helpers.toys import Decay, Poisson2D, fit, points
from helpers.waves import MAKE, Wave
from lightning_autobalance import problems
from lightning_autobalance.balancing import DWA, ConFIG, MConFIG, PCGrad
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.points import Disk
from lightning_autobalance.problems.manufactured import manufactured
from lightning_autobalance.step import compiled as stage
from lightning_autobalance.variants import RAR, RBA, MeanSquares, Variant

PROBLEMS = {name: getattr(problems, name) for name in problems.__all__}
BALANCERS: dict[str, Callable[[], Any]] = {"ConFIG": ConFIG, "MConFIG": MConFIG, "PCGrad": PCGrad, "DWA": DWA}


SLOW_MODES = [mode for mode in torch._inductor.list_mode_options() if mode != "reduce-overhead"]
OTHERS = BALANCERS.keys() - {"MConFIG"}


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything of the compiler but the machine code, which takes most of its time."""
    monkeypatch.setattr(stage, "OPTIONS", {"cpu": {"backend": "aot_eager"}})


def weights(module: PINNModule) -> dict[str, Tensor]:
    return {name: x for name, x in module.state_dict().items() if isinstance(x, Tensor)}


def wave(tmp_path: Path, name: str, **options: Any) -> Wave:
    torch.manual_seed(0)
    module = Wave(variant=MAKE[name](), check_exact=False, **options).double()
    counts = {"interior": 24, "boundary": 6, "initial": 5}
    fit(module, tmp_path, CollocationPoints(counts, seed=0, eval_points=100, steps_per_epoch=4), max_steps=7)
    return module


def small(tmp_path: Path, kind: type[PINNModule], **options: Any) -> PINNModule:
    torch.manual_seed(0)
    module = kind(check_exact=False, **options).double()
    fit(module, tmp_path, points(module) if isinstance(module, Decay | Poisson2D) else few(module), max_steps=7)
    return module


def few(module: PINNModule) -> CollocationPoints:
    return CollocationPoints(dict.fromkeys(module.domain.parts, 12), seed=0, eval_points=100, steps_per_epoch=4)


def assert_alike(compiled: PINNModule, plain: PINNModule, tolerance: float = 1e-10) -> None:
    assert compiled.gradient_stage.compiled is not None
    assert compiled.gradient_stage.compiled.reason == ""
    assert compiled.gradient_stage.compiled._verified
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(compiled)[name], value, rtol=tolerance, atol=tolerance)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("name", ["RBA", *(pytest.param(n, marks=pytest.mark.slow) for n in MAKE if n != "RBA")])
def test_every_variant(tmp_path: Path, name: str) -> None:
    assert_alike(wave(tmp_path, name, compile=True), wave(tmp_path, name))


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) for n in PROBLEMS])
def test_every_problem(tmp_path: Path, name: str) -> None:
    kind = PROBLEMS[name]
    assert_alike(small(tmp_path, kind, compile=True), small(tmp_path, kind))


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("derivatives", ["taylor", "reverse"])
def test_both_ways_to_derivatives(tmp_path: Path, derivatives: str) -> None:
    options = {"derivatives": derivatives, "weights": {"pde": 0.1}, "gradient_clip_val": 1.0}
    assert_alike(small(tmp_path, Poisson2D, compile=True, **options), small(tmp_path, Poisson2D, **options))


class OnDisk(PINNModule):
    """A normal that depends on the point, in a manufactured problem."""

    domain = Disk()

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        edge = points["boundary"]
        return {
            "pde": self.partials(points["interior"], "xx+yy")[0],
            "robin": self.normal_derivative(edge) + self(edge),
            "flux": self.integral("boundary", self.normal_derivative, count=8),
        }


def spread(x: Tensor) -> Tensor:
    return torch.exp(x[:, :1] - x[:, 1:])


CONDITIONS: dict[str, Any] = {
    "ring": Ring,
    "soft ring": SoftRing,
    "plate": Plate,
    "manufactured": manufactured(OnDisk, spread),
}


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("derivatives", ["taylor", pytest.param("reverse", marks=pytest.mark.slow)])
def test_conditions(tmp_path: Path, name: str, derivatives: str) -> None:
    kind = CONDITIONS[name]
    assert_alike(*(small(tmp_path, kind, compile=c, derivatives=derivatives) for c in (True, False)))


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("name", ["MConFIG", *(pytest.param(n, marks=pytest.mark.slow) for n in sorted(OTHERS))])
def test_balancers(tmp_path: Path, name: str) -> None:
    def run(**options: Any) -> PINNModule:
        return small(tmp_path, Decay, optimizer=torch.optim.Adam, balancer=BALANCERS[name](), **options)

    assert_alike(run(compile=True), run())


def test_machine_code(tmp_path: Path) -> None:
    assert_alike(small(tmp_path, Decay, compile=True), small(tmp_path, Decay))


@pytest.mark.parametrize(
    "mode", ["reduce-overhead", *(pytest.param(mode, marks=pytest.mark.slow) for mode in SLOW_MODES)]
)
def test_modes_of_torch_on_a_cpu(tmp_path: Path, mode: str) -> None:
    assert_alike(small(tmp_path, Decay, compile=mode), small(tmp_path, Decay))


def test_a_mode_is_torchs_and_true_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(torch, "compile", lambda function, **options: given.append(options) or function)
    for device, mode in (("cpu", "reduce-overhead"), ("cuda", "default"), ("cpu", None), ("cuda", None)):
        stage._compiled(torch.device(device), mode)
    assert given == [
        {"fullgraph": True, "mode": "reduce-overhead"},
        {"fullgraph": True, "mode": "default"},
        {"fullgraph": True, "options": {"cpp_wrapper": True}},
        {"fullgraph": True},
    ]


@pytest.mark.parametrize("mode", [None, *torch._inductor.list_mode_options()])
def test_results_are_copied_where_there_are_cuda_graphs(monkeypatch: pytest.MonkeyPatch, mode: str | None) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    copied = stage._compiled(torch.device("cuda"), mode).__name__ == "copied"
    assert copied == (mode in ("reduce-overhead", "max-autotune"))


def test_results_are_not_in_the_memory_of_a_cuda_graph() -> None:
    values, block = torch.tensor([1.0, 2.0]), torch.ones(2, 3)
    function = stage._copying_results(lambda *_: (("a", "b"), values, [block, None], [4, 5]))
    terms, losses, blocks, counts = function(MeanSquares())
    values.fill_(torch.nan)
    block.fill_(torch.nan)
    assert losses.tolist() == [1.0, 2.0]
    assert blocks[0] is not None
    assert blocks[0].tolist() == [[1.0] * 3] * 2
    assert (terms, blocks[1], counts) == (("a", "b"), None, [4, 5])


def test_buffers_outlive_the_next_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With CUDA graphs a compiled function writes to the same memory in every call; here each call spoils the last."""
    memory: list[Tensor] = []

    def compiled(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        def replayed(variant: Variant, *args: Any) -> Any:
            for old in memory:
                old.fill_(torch.nan)
            before = {id(x) for x in variant.buffers()}
            terms, values, blocks, counts = function(variant, *args)
            assigned = [x for x in variant.buffers() if id(x) not in before]
            assert assigned
            memory[:] = [values, *[block for block in blocks if block is not None], *assigned]
            return terms, values, blocks, counts

        return replayed

    monkeypatch.setattr(torch, "compile", compiled)
    options: dict[str, Any] = {"optimizer": torch.optim.Adam}
    found = wave(tmp_path, "RBA", compile="reduce-overhead", balancer=DWA(), **options)
    assert_alike(found, wave(tmp_path, "RBA", balancer=DWA(), **options), tolerance=0.0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["MeanSquares", "RBA"])
def test_cuda_graphs_equal_uncompiled(tmp_path: Path, name: str) -> None:
    def run(**options: Any) -> PINNModule:
        torch.manual_seed(0)
        variant = RBA() if name == "RBA" else None
        module = Poisson2D(check_exact=False, variant=variant, **options).double()
        fit(module, tmp_path, max_steps=20, accelerator="gpu")
        return module

    assert_alike(run(compile="reduce-overhead"), run(), tolerance=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKE)
def test_machine_code_of_every_variant(tmp_path: Path, name: str) -> None:
    assert_alike(wave(tmp_path, name, compile=True), wave(tmp_path, name))


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBLEMS)
def test_machine_code_of_every_problem(tmp_path: Path, name: str) -> None:
    kind = PROBLEMS[name]
    assert_alike(small(tmp_path, kind, compile=True), small(tmp_path, kind))


@pytest.mark.usefixtures("traced")
def test_what_is_compiled_anew_is_compared_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared, agrees = [], stage.CompiledGradients._agrees

    def counted(self: Any, result: Any, arguments: stage.Arguments, drawn: Any) -> bool:
        compared.append(len(arguments.points["interior"]))
        return agrees(self, result, arguments, drawn)

    monkeypatch.setattr(stage.CompiledGradients, "_agrees", counted)
    torch.manual_seed(0)
    module = Poisson2D(net=MLP(2, 1, [4]), compile=True, variant=RAR(interval=2, added=3, candidates=9)).double()
    fit(module, tmp_path, max_steps=3)
    assert compared[:2] == [32, 35]


@pytest.mark.usefixtures("traced")
def test_resume_is_exact(tmp_path: Path) -> None:
    def module() -> PINNModule:
        torch.manual_seed(0)
        return Decay(compile=True, variant=RBA()).double()

    whole, half, rest = module(), module(), module()
    fit(whole, tmp_path / "whole", max_steps=10)
    fit(half, tmp_path / "half", max_steps=5).save_checkpoint(tmp_path / "half.ckpt")
    fit(rest, tmp_path / "rest", max_steps=10, ckpt_path=tmp_path / "half.ckpt")
    for name, value in weights(whole).items():
        assert torch.equal(weights(rest)[name], value), name


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_many_modules_in_one_process(tmp_path: Path) -> None:
    for width in range(3, 3 + torch._dynamo.config.recompile_limit + 2):
        module = Decay(net=MLP(1, 1, [width]), compile=True)
        fit(module, tmp_path, max_steps=2)
        assert module.gradient_stage.compiled is not None
        assert module.gradient_stage.compiled.reason == ""


class Branching(Decay):
    """Its residuals decide by the value of a number, which no compiler can follow."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = super().residuals(points)
        return found if found["pde"].sum().item() > 0 else {**found, "pde": -found["pde"]}


class Noisy(Decay):
    """Its residuals draw random numbers."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = super().residuals(points)
        return {**found, "pde": found["pde"] * (1 + 5 * torch.rand_like(found["pde"]))}


class OwnLosses(Decay):
    """Gives losses."""

    def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {term: r.square().mean() for term, r in self.residuals(points).items()}


class Apart(Decay):
    """Has a term that reaches no parameter."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {**super().residuals(points), "alone": points["interior"]}


@pytest.mark.parametrize(
    ("kind", "reason"), [(Branching, "data-dependent"), (OwnLosses, "OwnLosses has `losses` of its own")]
)
@pytest.mark.usefixtures("traced")
def test_what_cannot_be_compiled_runs_as_it_is(tmp_path: Path, kind: type[PINNModule], reason: str) -> None:
    with pytest.warns(UserWarning, match=f"`compile` is of no effect, .*{reason}") as found:
        compiled = small(tmp_path, kind, compile=True)
    assert sum("`compile`" in str(warning.message) for warning in found) == 1
    assert compiled.global_step == 7
    for name, value in weights(small(tmp_path, kind)).items():
        assert torch.equal(weights(compiled)[name], value)


def other_numbers(*args: Any) -> Any:
    """As the compiler makes it, whose random numbers are others."""
    torch.rand(3)
    return stage.losses_and_gradients(*args)


def test_random_numbers_are_named_and_drawn_as_uncompiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "_compiled", lambda *_: other_numbers)
    with pytest.warns(UserWarning, match=r"`compile` is of no effect, .* differs by .* draw random numbers"):
        compiled = small(tmp_path, Noisy, compile=True)
    for name, value in weights(small(tmp_path, Noisy)).items():
        assert torch.equal(weights(compiled)[name], value)


@pytest.mark.usefixtures("traced")
@pytest.mark.filterwarnings("ignore:`compile` is of no effect")
@pytest.mark.parametrize("others", [False, True])
def test_the_comparison_draws_no_numbers(tmp_path: Path, others: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(steps: int, **options: Any) -> PINNModule:
        torch.manual_seed(1 if "ckpt_path" in options else 0)
        module = Noisy(check_exact=False, compile=True).double()
        fit(module, tmp_path, max_steps=steps, **options).save_checkpoint(tmp_path / f"{steps}.ckpt")
        return module

    if others:
        monkeypatch.setattr(stage, "_compiled", lambda *_: other_numbers)
    whole, drawn = run(7), torch.rand(())
    run(4)
    resumed = run(7, ckpt_path=tmp_path / "4.ckpt")
    assert torch.equal(torch.rand(()), drawn)
    for name, value in weights(whole).items():
        assert torch.equal(weights(resumed)[name], value)


def test_a_wrong_result_is_noticed_and_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = stage.losses_and_gradients

    def wrong(*args: Any) -> Any:
        terms, values, blocks, counts = right(*args)
        return terms, values, [None if b is None else 1.5 * b for b in blocks], counts

    monkeypatch.setattr(stage, "_compiled", lambda *_: wrong)
    with pytest.warns(UserWarning, match=r"differs by 5.0e-01"):
        compiled = wave(tmp_path, "RBA", compile=True)
    for name, value in weights(wave(tmp_path, "RBA")).items():
        assert torch.equal(weights(compiled)[name], value)


def test_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (None, "no-such-compiler"))
    with pytest.warns(UserWarning, match=r"`compile` is of no effect, .*InvalidCxxCompiler"):
        compiled = small(tmp_path, Decay, compile=True)
    for name, value in weights(small(tmp_path, Decay)).items():
        assert torch.equal(weights(compiled)[name], value)


def test_an_older_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "_traces_differentiation", lambda: False)
    with pytest.warns(UserWarning, match=r"it needs a torch that traces `autograd.grad`, as 2.13 does, got 2\."):
        small(tmp_path, Decay, compile=True)


@pytest.mark.usefixtures("traced")
def test_what_is_compiled_is_neither_copied_nor_pickled(tmp_path: Path) -> None:
    module = small(tmp_path, Decay, compile=True)
    for other in (copy.deepcopy(module.gradient_stage), pickle.loads(pickle.dumps(module.gradient_stage))):
        assert other.compiled is not None
        assert other.compiled._function is None
        assert other.compiled._verified == set()


def test_a_real_mistake_is_told_as_it_is_uncompiled(tmp_path: Path) -> None:
    module = Apart(compile=True, optimizer=AutoAdamW)
    with pytest.raises(Exception, match="The residual of `alone` of Apart must depend on the network"):
        fit(module, tmp_path, max_steps=2)
