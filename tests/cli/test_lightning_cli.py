"""The commands, as a user types them."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException

from helpers.runs import UNDRAWN
from lightning_autobalance import problems
from lightning_autobalance.cli import lightning_cli, main
from lightning_autobalance.cli.lightning_cli import run
from lightning_autobalance.module import PINNModule
from lightning_autobalance.training.checkpoint_io import CheckpointWriteError

ROOT = Path(__file__).parents[2]
# What the other configurations do is tested by tests/problems/test_configs.py
PAPERS = ("helmholtz_2d", "helmholtz_2d_quick", "poisson_inverse_2d", "reaction_diffusion_1d")
CONFIGS = [ROOT / "configs" / f"{name}.yaml" for name in PAPERS]
BEST = sorted((ROOT / "configs" / "best").glob("*.yaml"))
FINISHES = sorted((ROOT / "configs" / "finish").glob("*.yaml"))
METHODS = sorted((ROOT / "configs" / "method").glob("*.yaml"))
NETS = sorted((ROOT / "configs" / "net").glob("*.yaml"))
SMALL = [
    "--trainer.max_steps=2",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--data.eval_points=100",
]
MY_PDE = """
import torch
from lightning_autobalance import PINNModule, Rectangle

class MyPoisson(PINNModule):
    domain = Rectangle((0, 1), (0, 1))

    def residuals(self, points):
        u_xx, u_yy = self.partials(points["interior"], "xx", "yy")
        return {"pde": u_xx + u_yy + 1, "boundary": self(points["boundary"])}
"""


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def fails(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["fit", *args])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def helmholtz(*args: str) -> list[str]:
    return [f"--config={ROOT / 'configs' / 'helmholtz_2d.yaml'}", *SMALL, *args]


MAIN = ("auto_adamw", "adamw")
PAIRS = [  # the main methods with every problem, the others with one: a method does not know the problem
    (config, method)
    for method in METHODS
    for config in (CONFIGS if method.stem in MAIN else [ROOT / "configs" / "poisson_inverse_2d.yaml"])
]
DRAWN = [(c, m) for c, m in PAIRS if m.stem == "auto_adamw" and c.stem != "helmholtz_2d_quick"]  # every problem once


def test_every_problem_is_drawn() -> None:
    drawn = {yaml.safe_load(config.read_text())["model"]["class_path"] for config, _ in DRAWN}
    assert drawn == {yaml.safe_load(config.read_text())["model"]["class_path"] for config in CONFIGS}


@pytest.mark.parametrize(
    ("config", "method", "drawn"),
    [
        *((config, method, (config, method) in DRAWN) for config, method in PAIRS),
        *(pytest.param(c, m, True, marks=pytest.mark.slow) for c, m in PAIRS if m.stem in MAIN and (c, m) not in DRAWN),
    ],
    ids=lambda p: getattr(p, "stem", "drawn" if p else "undrawn"),
)
def test_every_configuration_trains(config: Path, method: Path, drawn: bool, tmp_path: Path) -> None:
    main(["fit", f"--config={config}", f"--config={method}", *SMALL, *(() if drawn else UNDRAWN)])
    (folder,) = (tmp_path / "runs").iterdir()
    files = {f.name for f in (folder / "version_0").iterdir()}
    assert {"config.yaml", "hparams.yaml", "checkpoints"} <= files
    assert bool(list((folder / "version_0" / "plots").glob("*_step2.png"))) == drawn
    assert (folder / "version_0" / "checkpoints" / "last.ckpt").exists()
    saved = yaml.safe_load((folder / "version_0" / "config.yaml").read_text())
    chosen = yaml.safe_load(method.read_text())["model"]["init_args"]["optimizer"]["class_path"]
    assert saved["model"]["init_args"]["optimizer"]["class_path"].split(".")[-1] == chosen.split(".")[-1]


@pytest.mark.parametrize(
    "configs", [*([each] for each in BEST), *([CONFIGS[-1], each] for each in FINISHES)], ids=lambda c: c[-1].stem
)
def test_every_recipe_and_finish_trains(configs: list[Path]) -> None:
    given = [f"--config={config}" for config in configs]
    done = run(["fit", *given, *SMALL, *UNDRAWN, "--model.finish.steps=1", "--data.points.interior=50"])
    assert done.trainer.global_step == 2
    assert done.model.finish_phase.stage.began_at == 1
    named = yaml.safe_load(configs[-1].read_text())["model"]["init_args"]["finish"]["class_path"]
    assert type(done.model.finish).__name__ == named


def test_a_finish_ends_where_few_steps_of_an_optimizer_do(tmp_path: Path) -> None:
    """A smaller case of a thousand steps and sixty, which end at 1e-8."""
    given = [
        f"--config={ROOT / 'configs' / name}.yaml" for name in ("reaction_diffusion_1d", "finish/levenberg_marquardt")
    ]
    fewer = ["--model.net.hidden=[20, 20]", "--data.points.interior=400", "--model.scheduler.warmup=100"]
    steps = ["--trainer.max_steps=550", "--model.finish.steps=50", "--data.eval_points=400"]
    done = run(["fit", *given, *SMALL, *UNDRAWN, *fewer, *steps])
    assert done.trainer.global_step == 550
    assert done.trainer.callback_metrics["val/mse"] < 1e-5


@pytest.mark.parametrize("best", BEST, ids=lambda p: p.stem)
def test_a_recipe_has_the_papers_problem(best: Path) -> None:
    mine, papers = (yaml.safe_load(path.read_text()) for path in (best, ROOT / "configs" / best.name))
    method = ("optimizer", "finish", "stop_at_noise")
    for config in (mine, papers):
        config["trainer"] = {}
        config["model"]["init_args"] = {k: v for k, v in config["model"]["init_args"].items() if k not in method}
    assert mine == papers


ONLY_WITH = {  # networks made for one problem; the others give one field of two coordinates
    "df_pinn_inverse": ("poisson_inverse_2d",),
    "df_pinn_reaction_diffusion": ("reaction_diffusion_1d",),
    "periodic": ("reaction_diffusion_1d",),
    "zero_at_ends": ("reaction_diffusion_1d",),
}
ONE_FIELD = ("helmholtz_2d", "helmholtz_2d_quick", "reaction_diffusion_1d")
FITTING = [(config, net) for net in NETS for config in CONFIGS if config.stem in ONLY_WITH.get(net.stem, ONE_FIELD)]


def test_every_network_has_a_fitting_problem() -> None:
    assert {net for _, net in FITTING} == set(NETS)
    assert {config for config, _ in FITTING} == set(CONFIGS)


@pytest.mark.parametrize(("config", "net"), FITTING, ids=lambda p: p.stem)
def test_every_network_trains_in_taylor_mode(config: Path, net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = ["--default_callbacks=false", "--trainer.logger=false", "--trainer.enable_checkpointing=false"]
    done = run(["fit", f"--config={config}", f"--config={net}", *SMALL, *quiet])
    named = yaml.safe_load(net.read_text())["model"]["init_args"]["net"]["class_path"]
    assert type(done.model.net).__name__ == named
    assert done.model.derivative_mode == "taylor"
    assert done.trainer.global_step == 2
    assert "not accepted" not in capsys.readouterr().err


@pytest.mark.usefixtures("no_pictures")
def test_a_second_run_gets_its_own_folder(tmp_path: Path) -> None:
    for _ in range(2):
        main(["fit", *helmholtz()])
    assert {f.name for f in (tmp_path / "runs" / "Helmholtz2D").iterdir()} == {"version_0", "version_1"}


@pytest.mark.usefixtures("no_pictures")
def test_a_pde_beside_its_yaml(tmp_path: Path) -> None:
    (tmp_path / "my_own_pde.py").write_text(MY_PDE)
    config = {
        "trainer": {"max_steps": 2},
        "model": {"class_path": "my_own_pde.MyPoisson"},
        "data": {"points": {"interior": 8, "boundary": 8}},
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config))
    main(["fit", "--config=my.yaml", *SMALL])
    assert (tmp_path / "runs" / "MyPoisson").exists()


@pytest.mark.usefixtures("no_pictures")
def test_validate_test_and_predict_from_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["fit", *helmholtz()])
    last = next((tmp_path / "runs").rglob("last.ckpt"))
    for subcommand in ("validate", "test", "predict"):
        main([subcommand, *helmholtz(f"--ckpt_path={last}")])
    assert "test/rel_l2" in capsys.readouterr().out


@pytest.mark.usefixtures("no_pictures")
def test_a_checkpoint_loads_without_its_yaml(tmp_path: Path) -> None:
    from lightning_autobalance.problems import Helmholtz2D

    trained = run(["fit", *helmholtz("--model.a1=2", "--model.net.hidden=[7,7]")]).model
    last = next((tmp_path / "runs").rglob("last.ckpt"))
    loaded = Helmholtz2D.load_from_checkpoint(last)
    x = torch.rand(5, 2)
    assert loaded.a1 == 2
    assert torch.equal(loaded(x), trained(x))


@pytest.mark.usefixtures("no_pictures")
def test_what_was_saved_when_there_was_a_cuda_graph_goes_on(tmp_path: Path) -> None:
    """Configuration and checkpoint hold `cuda_graph: false`, and the optimizer's `capturable: false`."""
    from lightning_autobalance.problems import Helmholtz2D

    main(["fit", *helmholtz("--model.cuda_graph=false", "--model.optimizer.capturable=false")])
    (folder,) = (tmp_path / "runs" / "Helmholtz2D").iterdir()
    saved, last = folder / "config.yaml", folder / "checkpoints" / "last.ckpt"
    assert "    cuda_graph: false\n" in saved.read_text()
    assert torch.load(last, weights_only=True)["hyper_parameters"]["cuda_graph"] is False
    assert torch.load(last, weights_only=True)["optimizer_states"][0]["param_groups"][0]["capturable"] is False
    Helmholtz2D.load_from_checkpoint(last)
    resumed = run(["fit", f"--config={saved}", f"--ckpt_path={last}", "--trainer.max_steps=3"])
    assert resumed.trainer.global_step == 3


MY_HARD_PDE = f"{MY_PDE}\ndef lift(x):\n    return x[:, :1]\n"
MY_HARD_NET = {
    "class_path": "Transformed",
    "init_args": {
        "net": {"class_path": "FuzzyNet", "init_args": {"hidden": [4], "bounds": [[0, 1], [0, 1]]}},
        "factor": {"class_path": "ZeroOnEdge", "init_args": {"bounds": [[0, 1]]}},
        "offset": "my_hard_pde.lift",
    },
}


@pytest.mark.usefixtures("no_pictures")
def test_a_built_in_condition_of_yaml_survives_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_hard_pde.py").write_text(MY_HARD_PDE)
    config = {
        "model": {"class_path": "my_hard_pde.MyPoisson", "init_args": {"net": MY_HARD_NET}},
        "data": {"points": {"interior": 8, "boundary": 8}},
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config))
    trained = run(["fit", "--config=my.yaml", *SMALL]).model
    loaded = type(trained).load_from_checkpoint(next((tmp_path / "runs").rglob("last.ckpt")))
    x = torch.tensor([[0.0, 0.3], [1.0, 0.3], [0.5, 0.3]])
    assert trained(x)[:2].flatten().tolist() == [0.0, 1.0]
    assert torch.equal(loaded(x), trained(x))
    assert loaded.derivative_mode == "taylor"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            errno.EACCES,
            "error: runs/x must be writable, got Permission denied. Free some space, or name another folder",
        ),
        (errno.EROFS, "must be writable, got Read-only file system"),
        (errno.ENOSPC, "must be writable, got No space left on device"),
        (errno.ENOTDIR, "must be writable, got Not a directory"),
    ],
)
def test_what_cannot_be_written_ends_the_command_in_one_line(
    code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = OSError(code, os.strerror(code), "runs/x")

    def fails(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(lightning_cli, "AutoBalanceCLI", fails)
    with pytest.raises(SystemExit) as stopped:
        run()
    assert stopped.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    with pytest.raises(OSError, match="runs/x"):
        run([])


def test_other_errors_of_the_file_system_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **options: Any) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file", "my_data.csv")

    monkeypatch.setattr(lightning_cli, "AutoBalanceCLI", fails)
    with pytest.raises(FileNotFoundError, match=r"my_data\.csv"):
        run()


def test_a_logger_folder_that_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    line = ["fit", *helmholtz("--trainer.logger.save_dir=file/runs")]
    monkeypatch.setattr(sys, "argv", ["lightning-autobalance", *line])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "must be writable, got Not a directory" in said
    assert "Traceback" not in said


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("problem", [problems.ReactionDiffusion1D, problems.PoissonInverse2D])
def test_a_checkpoint_of_every_problem_loads_without_its_yaml(problem: type[PINNModule], tmp_path: Path) -> None:
    (config,) = (c for c in CONFIGS if yaml.safe_load(c.read_text())["model"]["class_path"] == problem.__name__)
    trained = run(["fit", f"--config={config}", "--model.steps_per_call=2", *SMALL]).model
    loaded = problem.load_from_checkpoint(next((tmp_path / "runs").rglob("last.ckpt")), weights_only=True)
    assert loaded.steps_per_call == 2
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), trained.parameters(), strict=True))
    x = torch.rand(5, 2)
    assert torch.equal(loaded(x), trained(x))


@pytest.mark.parametrize(
    "error", [CheckpointWriteError("`path` of a checkpoint"), MisconfigurationException("`a` must")], ids=repr
)
def test_errors_that_explain_themselves_end_the_command(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(lightning_cli, "AutoBalanceCLI", fails)
    with pytest.raises(SystemExit) as stopped:
        run()
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: {error}\n"
    with pytest.raises(type(error)):
        run([])


@pytest.mark.usefixtures("no_pictures")
def test_default_callbacks_can_be_switched_off_and_replaced(tmp_path: Path) -> None:
    kinds = {type(c).__name__ for c in run(["fit", *helmholtz("--default_callbacks=false")]).trainer.callbacks}
    assert not kinds & {"BalanceMonitor", "SolutionPlotter", "FitSummary"}
    plotter = '--trainer.callbacks=[{"class_path": "SolutionPlotter", "init_args": {"resolution": 7}}]'
    callbacks = run(["fit", *helmholtz(plotter)]).trainer.callbacks
    plotters = [c for c in callbacks if type(c).__name__ == "SolutionPlotter"]
    assert [p.resolution for p in plotters] == [7]
    assert any(type(c).__name__ == "BalanceMonitor" for c in callbacks)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--trainer.max_stps=3", "Did you mean trainer.max_steps"),
        (
            "--model.steps_per_cal=3",
            "Option 'steps_per_cal' is not accepted. Did you mean steps_per_call? Valid are: a1",
        ),
        ("--model.optimizer.lrr=3", "Option 'lrr' is not accepted. Did you mean lr?"),
        ("--model.class_path=Helmholz2D", "Did you mean Helmholtz2D?"),
        ("--model.optimizer=AutoAdamWW", "Did you mean AutoAdamW"),
        ("--data.sampler=Sobl", "Did you mean Sobol?"),
        ("--model.steps_per_call=0", "`steps_per_call` must be a whole number >= 1, got 0"),
        ("--data.points.interior=-3", "`points` of 'interior' must be a whole number >= 1, got -3"),
        ("--data.points.interior=many", "Expected a <class 'int'>. Got value: many"),
        ("--model.compile=fast", "`compile` must be auto, true, false or one of torch's modes default,"),
        ("--model.cuda_graph=true", "`cuda_graph` was removed and must be left out, got True. Take `compile: reduce"),
        ("--data.sampler=DeviceUniform", "DeviceUniform: it was removed. Write Uniform, which"),
        ("--data.sampler=lightning_autobalance.points.DeviceUniform", "it was removed. Write Uniform, which"),
        ("--trainer.precision=16-mixed", "`trainer.precision` must be 32-true, 64-true or bf16-mixed, got 16-mixed"),
    ],
)
def test_mistakes_are_named_with_the_remedy(option: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    message = fails(capsys, *helmholtz(option))
    assert said in message
    assert len(message.splitlines()) < 12  # no page of usage before it


@pytest.mark.parametrize(("word", "value"), [("true", True), ("false", False), ("reduce-overhead", "reduce-overhead")])
def test_compile_is_a_switch_or_a_mode(word: str, value: bool | str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", *helmholtz(f"--model.compile={word}", "--print_config")])
    assert yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]["compile"] == value


def test_mistakes_in_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.yaml").write_text("model:\n  class_path: Helmholtz2D\ndata:\n  point: {interior: 3}\n")
    assert "'data.point.interior'. Did you mean data.points?" in fails(capsys, "--config=bad.yaml")


def test_a_trainer_mistake_is_told_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["lightning-autobalance", "fit", *helmholtz("--trainer.gradient_clip_val=1.0")])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "error: `gradient_clip_val` must not be given to the Trainer, got 1.0" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_trainer_mistake_ends_the_process_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lightning_autobalance", "fit", *helmholtz("--trainer.gradient_clip_val=1.0")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "error: `gradient_clip_val` must not be given to the Trainer, got 1.0" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("no_pictures")
def test_print_config_is_a_configuration(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["fit", *helmholtz("--print_config")])
    printed = capsys.readouterr().out
    (tmp_path / "printed.yaml").write_text(printed)
    parts = yaml.safe_load(printed)
    assert parts["model"]["init_args"]["variant"]["class_path"].endswith(".MeanSquares")
    assert parts["data"]["sampler"]["class_path"].endswith(".Uniform")
    main(["fit", "--config=printed.yaml", *SMALL])


@pytest.mark.usefixtures("no_pictures")
def test_printed_defaults_are_those_of_a_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bare = ["--model=Helmholtz2D", "--data.points={interior: 20, boundary: 8}", *SMALL]
    with pytest.raises(SystemExit):
        main(["fit", *bare, "--print_config"])
    printed = capsys.readouterr().out
    own = yaml.safe_load(printed)["model"]["init_args"]
    assert own["optimizer"]["class_path"].endswith(".AutoAdamW")
    assert own["optimizer"]["init_args"]["lr"] == 1e-3
    assert own["net"]["init_args"]["hidden"] == [50, 50, 50]
    (tmp_path / "printed.yaml").write_text(printed)
    one, other = (main(["fit", *line]).model for line in (bare, ["--config=printed.yaml"]))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.usefixtures("no_pictures")
def test_runs_of_a_csv_logger_carry_the_problems_name(tmp_path: Path) -> None:
    logger = '--trainer.logger={"class_path": "CSVLogger", "init_args": {"save_dir": "runs"}}'
    main(["fit", *helmholtz(logger)])
    assert (tmp_path / "runs" / "Helmholtz2D" / "version_0" / "metrics.csv").is_file()
