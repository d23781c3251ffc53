"""Several processes take the steps of one with all the points."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from helpers.distributed import REDRAWN, RUNS, launch, run
from lightning_autobalance.module import PINNModule

MAIN = (
    "auto_adamw",
    "config",
    "m_config",
    "ntk",
    "RBA",
    "Stack",
    "redrawn",
    "part_of_points",
    "reference",
    "levenberg_marquardt",
    "lbfgs",
    "ring",
    "soft_ring",
    "plate_redrawn",
    "plate_finish",
    "measured",
    "measured_finish",
)
SINGLE = ("auto_adamw@32", "config@32", "ntk@32", "RBA@32")  # in float32
OTHERS = tuple(name for name in (*RUNS, *REDRAWN) if name not in MAIN)
BATCHES = {  # what one start of the processes runs: how many processes, for how many steps
    "main": (2, (*MAIN, *SINGLE), 60),
    "long": (2, (*MAIN, *SINGLE, *OTHERS), 200),
    "three": (3, (*MAIN, *OTHERS), 200),
}


def by_default(batch: str) -> Any:
    return () if batch == "main" else pytest.mark.slow


every = pytest.mark.parametrize(
    ("batch", "name"),
    [
        pytest.param(batch, name, marks=by_default(batch), id=f"{batch}-{name}")
        for batch, (_, names, _) in BATCHES.items()
        for name in names
    ],
)
SOLVES = (
    "levenberg_marquardt",
    "self_scaled_broyden",
    "lbfgs",
    "plate_finish",
    "measured_finish",
)  # systems whose condition multiplies rounding
SECOND_ORDER = ("ring", "soft_ring", "soft_ring_redrawn", "plate", "plate_redrawn")  # derivatives of larger rounding
RESUMED = ("auto_adamw", "ntk", "RBA", "measured")
resumed_of_two = pytest.mark.parametrize(
    "batch", [pytest.param(b, marks=by_default(b)) for b in BATCHES if BATCHES[b][0] == 2]
)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """What the processes of a batch leave; in its folder `resumed`, what they make of runs that began alone."""

    @cache
    def folder(batch: str) -> Path:
        processes, names, steps = BATCHES[batch]
        out = tmp_path_factory.mktemp(batch)
        for name in RESUMED:
            run(name, out, steps // 2)[0].save_checkpoint(out / "alone" / f"{name}.ckpt")
        launch(processes, out, names, steps, RESUMED)
        return out

    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], tuple[Trainer, PINNModule]]:
    folder = tmp_path_factory.mktemp("alone")
    return cache(lambda name, steps: run(name, folder, steps))


def parameters(module: PINNModule) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def assert_near(found: torch.Tensor, expected: torch.Tensor, rounding: float = 1e-12) -> None:
    assert ((found - expected).norm() / expected.norm()).item() < (rounding if found.dtype == torch.float64 else 1e-6)


@every
def test_the_parameters_are_those_of_one_process(batch: str, name: str, several: Any, alone: Any) -> None:
    found = torch.load(several(batch) / f"{name}.pt", weights_only=True)
    steps = BATCHES[batch][2]
    trainer, module = alone(name, steps)
    expected = parameters(module)
    assert found["steps"] == trainer.global_step == steps
    assert found["derivatives"] == module.derivative_mode == "taylor"
    for mine in found["everywhere"]:
        assert torch.equal(mine, found["everywhere"][0])  # no drift between processes
    assert_near(found["everywhere"][0], expected, 1e-9 if name in SOLVES else 1e-10 if name in SECOND_ORDER else 1e-12)


@every
def test_the_log_and_the_metrics_are_those_of_one_process(batch: str, name: str, several: Any, alone: Any) -> None:
    found = torch.load(several(batch) / f"{name}.pt", weights_only=True)
    trainer, module = alone(name, BATCHES[batch][2])
    assert found["latest"] == pytest.approx(module.latest, rel=1e-3 if "@" in name else 1e-5)
    assert found["metrics"] == pytest.approx(
        {k: float(v) for k, v in trainer.callback_metrics.items()}, rel=1e-4 if "@" in name else 1e-6
    )


@every
def test_the_checkpoint_is_that_of_one_process(batch: str, name: str, several: Any, alone: Any) -> None:
    found = torch.load(several(batch) / f"{name}.ckpt", weights_only=True)
    expected = alone(name, BATCHES[batch][2])[1].state_dict()
    assert found["state_dict"].keys() == expected.keys()
    for key, value in expected.items():
        if isinstance(value, torch.Tensor):
            exact = value.dtype == torch.float64
            tolerance = {"rtol": 1e-8, "atol": 1e-10} if exact else {"rtol": 1e-4, "atol": 1e-6}
            torch.testing.assert_close(found["state_dict"][key], value, **tolerance)
        else:
            assert found["state_dict"][key] == value


@resumed_of_two
@pytest.mark.parametrize("name", RESUMED)
def test_a_run_of_two_goes_on_alone(batch: str, name: str, several: Any, alone: Any, tmp_path: Path) -> None:
    steps = BATCHES[batch][2] * 3 // 2
    _, resumed = run(name, tmp_path, steps, ckpt_path=several(batch) / f"{name}.ckpt")
    assert_near(parameters(resumed), parameters(alone(name, steps)[1]))


@resumed_of_two
@pytest.mark.parametrize("name", RESUMED)
def test_a_run_alone_goes_on_as_two(batch: str, name: str, several: Any, alone: Any) -> None:
    found = torch.load(several(batch) / "resumed" / f"{name}.pt", weights_only=True)
    assert found["steps"] == BATCHES[batch][2]
    assert_near(found["everywhere"][0], parameters(alone(name, BATCHES[batch][2])[1]))
