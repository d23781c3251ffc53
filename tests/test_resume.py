"""A resumed run equals the uninterrupted one to the last bit, through the CLI, for every problem and method."""

from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.runs import UNDRAWN, assert_equal
from lightning_autobalance.cli import main

CONFIGS = Path(__file__).parents[1] / "configs"
PROBLEMS = ("helmholtz_2d", "reaction_diffusion_1d", "poisson_inverse_2d")
METHODS = tuple(sorted(path.stem for path in (CONFIGS / "method").glob("*.yaml")))
MAIN = ("auto_adamw", "adamw")
FAST = {  # every problem, and methods with every kind of state; the others are marked slow
    *((problem, "auto_adamw") for problem in PROBLEMS),
    ("helmholtz_2d", "adamw"),
    ("poisson_inverse_2d", "m_config"),
}
PAIRS = [  # the main methods on every problem, the others on the one whose terms reach different parameters
    pytest.param(problem, method, marks=() if (problem, method) in FAST else pytest.mark.slow, id=f"{problem}-{method}")
    for method in METHODS
    for problem in (PROBLEMS if method in MAIN else ("poisson_inverse_2d",))
]


FEW = "--data.points.interior=100"  # the thousands of the configurations take time and show nothing more


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def train(folder: Path, problem: str, method: str, steps: int, *options: str) -> dict[str, Any]:
    main(
        [
            "fit",
            f"--config={CONFIGS / problem}.yaml",
            f"--config={CONFIGS / 'method' / method}.yaml",
            f"--trainer.max_steps={steps}",
            f"--trainer.default_root_dir={folder}",
            "--trainer.logger=false",
            "--trainer.enable_progress_bar=false",
            "--trainer.enable_model_summary=false",
            "--trainer.accelerator=cpu",
            "--data.steps_per_epoch=8",
            "--data.eval_points=100",
            *UNDRAWN,
            *options,
        ]
    )
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


@pytest.mark.parametrize(("problem", "method"), PAIRS)
def test_resume_in_mid_epoch_equals_uninterrupted(problem: str, method: str, tmp_path: Path) -> None:
    resampled = ("--data.resample_every=3", FEW)
    whole = train(tmp_path / "whole", problem, method, 21, *resampled)
    train(tmp_path / "part", problem, method, 13, *resampled)
    last = tmp_path / "part" / "checkpoints" / "last.ckpt"
    resumed = train(tmp_path / "part", problem, method, 21, *resampled, f"--ckpt_path={last}")
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "CollocationPoints", "global_step"):
        assert_equal(whole[part], resumed[part], part)


VARIANTS = {  # name of the configuration: what makes it do in 21 steps what it does in thousands
    "rba": (),
    "cwp": ("--model.variant.init_args.resample_every=5",),
    "gpinn": (),
    "ropinn": (),
    "copinn": ("--model.variant.init_args.iterations=30",),
    "sa_pinn": (),
    "causal": ("--model.variant.init_args.tolerance=1e-3",),
    "growing_time": ("--model.variant.init_args.steps=20",),
    "rad": ("--model.variant.init_args.interval=5",),
    "rar": ("--model.variant.init_args.interval=5",),
    "rba_ropinn": (),
}


def test_the_list_of_variants_is_complete() -> None:
    assert VARIANTS.keys() == {path.stem for path in (CONFIGS / "variant").glob("*.yaml")}


@pytest.mark.parametrize(  # tests/variants/test_contract.py resumes each one, too, without the command line
    "variant", [pytest.param(v, marks=() if v in ("cwp", "rba_ropinn") else pytest.mark.slow) for v in VARIANTS]
)
def test_a_variant_resumes_in_mid_epoch(variant: str, tmp_path: Path) -> None:
    options = (f"--config={CONFIGS / 'variant' / variant}.yaml", FEW, *VARIANTS[variant])
    whole = train(tmp_path / "whole", "reaction_diffusion_1d", "auto_adamw", 21, *options)
    train(tmp_path / "part", "reaction_diffusion_1d", "auto_adamw", 13, *options)
    last = tmp_path / "part" / "checkpoints" / "last.ckpt"
    resumed = train(tmp_path / "part", "reaction_diffusion_1d", "auto_adamw", 21, *options, f"--ckpt_path={last}")
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "CollocationPoints", "global_step"):
        assert_equal(whole[part], resumed[part], part)


TABLE_1 = ("auto_adamw", "adamw", "ntk", "dwa", "mgda", "pc_grad", "imtl_g", "config", "m_config")


@pytest.mark.slow
@pytest.mark.parametrize("method", TABLE_1)
def test_the_papers_methods_resume_on_helmholtz(method: str, tmp_path: Path) -> None:
    long = ("--data.steps_per_epoch=500",)
    whole = train(tmp_path / "whole", "helmholtz_2d", method, 2000, *long)
    train(tmp_path / "part", "helmholtz_2d", method, 1000, *long)
    last = tmp_path / "part" / "checkpoints" / "last.ckpt"
    resumed = train(tmp_path / "part", "helmholtz_2d", method, 2000, *long, f"--ckpt_path={last}")
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "CollocationPoints", "global_step"):
        assert_equal(whole[part], resumed[part], part)


def test_the_configuration_holds_on_resume_and_another_problem_is_refused(tmp_path: Path, capsys: Any) -> None:
    train(tmp_path, "helmholtz_2d", "auto_adamw", 2)
    last = tmp_path / "checkpoints" / "last.ckpt"
    with pytest.raises(SystemExit):
        train(tmp_path, "reaction_diffusion_1d", "auto_adamw", 4, f"--ckpt_path={last}")
    assert "`ckpt_path` must be a checkpoint of the configured problem" in capsys.readouterr().err
    resumed = train(tmp_path, "helmholtz_2d", "auto_adamw", 4, f"--ckpt_path={last}", "--model.steps_per_call=2")
    assert resumed["hyper_parameters"]["steps_per_call"] == 2
