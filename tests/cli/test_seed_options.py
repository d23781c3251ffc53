"""`fit --seeds 0 1 2`, as a user types it."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException

from helpers.runs import assert_equal, assert_same_state
from lightning_autobalance.cli import main, seed_options
from lightning_autobalance.cli.lightning_cli import AutoBalanceCLI, run
from lightning_autobalance.cli.seed_options import join_seeds
from lightning_autobalance.problems import Helmholtz2D
from lightning_autobalance.step import NonFiniteError
from lightning_autobalance.sweeps.seed_ensemble import SeedRun
from lightning_autobalance.training.record import CHECKPOINT_KEY

ROOT = Path(__file__).parents[2]
SMALL = [
    f"--config={ROOT / 'configs' / 'helmholtz_2d.yaml'}",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--data.eval_points=100",
    "--data.points.interior=20",
    "--data.points.boundary=8",
    "--model.net.hidden=[6,6]",
]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pictures: None) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def state(folder: str) -> dict[str, Any]:
    return torch.load(Path(folder) / "checkpoints" / "last.ckpt", weights_only=True)


def fails(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([*args])
    assert stopped.value.code == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("fit --seeds 0 1 2 --config a.yaml", "fit --seeds=[0,1,2] --config a.yaml"),
        ("fit --config a.yaml --seeds 7", "fit --config a.yaml --seeds=[7]"),
        ("fit --seeds=[0,1] --x", "fit --seeds=[0,1] --x"),
        ("fit --seeds [0,1] --x", "fit --seeds=[0,1] --x"),
        ("fit --seeds=0,1", "fit --seeds=[0,1]"),
        ("fit --seeds", "fit --seeds=[]"),
        ("fit --seeds -1 2", "fit --seeds=[-1,2]"),
        ("fit --seeds=null", "fit --seeds=null"),
        ("fit --seed_everything 3", "fit --seed_everything 3"),
    ],
)
def test_words_of_the_command_line(words: str, wanted: str) -> None:
    assert join_seeds(words.split()) == wanted.split()


def test_seeds_have_folders_of_their_own_and_the_numbers_of_single_runs(capsys: pytest.CaptureFixture[str]) -> None:
    main(["fit", *SMALL, "--trainer.max_steps=4", "--seeds", "0", "3", "1"])
    table = capsys.readouterr().out
    folder = Path("runs/Helmholtz2D/version_0")
    assert sorted(path.name for path in folder.iterdir()) == ["seed_0", "seed_1", "seed_3"]
    assert re.search(r"Helmholtz2D, 3 seeds", table)
    assert all(re.search(rf"│ {word} +│", table) for word in ("0", "3", "1", "median", "least", "largest"))
    for seed in (0, 3):
        own = folder / f"seed_{seed}"
        assert any(path.name.startswith("events.out") for path in own.iterdir())
        config = yaml.safe_load((own / "config.yaml").read_text())
        assert (config["seed_everything"], config["seeds"]) == (seed, None)
        main(["fit", *SMALL, "--trainer.max_steps=4", f"--seed_everything={seed}"])
    for seed, single in ((0, "version_1"), (3, "version_2")):
        ours, its = (state(f"runs/Helmholtz2D/{name}") for name in (f"version_0/seed_{seed}", single))
        assert_same_state(ours, its)
    module = Helmholtz2D.load_from_checkpoint(folder / "seed_3" / "checkpoints" / "last.ckpt")
    assert module.net[0].out_features == 6


def test_resume_of_all_seeds_is_exact() -> None:
    resumes_exactly("--seeds=[0,1]", "--data.resample_every=3", at=5)


def test_resume_of_all_seeds_within_a_finish_is_exact() -> None:
    finish = ["--model.finish=LevenbergMarquardt", "--model.finish.tolerance=0"]
    resumes_exactly("--seeds=[0,1]", *finish, "--model.finish.steps={}", at=6, steps=(4, 2))
    finishes = [state(f"runs/Helmholtz2D/version_{n}/seed_1")[CHECKPOINT_KEY]["finish"] for n in (0, 2)]
    assert finishes[0]["began_at"] == 4
    assert_equal(*finishes)


def resumes_exactly(*options: str, at: int, steps: tuple[int, int] = (0, 0)) -> None:
    """Of a run of eight steps; ``steps`` are those of its finish, and of one that ends early."""
    fit = ["fit", *SMALL, "--data.steps_per_epoch=2"]
    whole, part = ([word.format(count) for word in options] for count in steps)
    main([*fit, *whole, "--trainer.max_steps=8"])
    main([*fit, *part, f"--trainer.max_steps={at}"])
    main([*fit, *whole, "--trainer.max_steps=8", "--ckpt_path=runs/Helmholtz2D/version_1"])
    for seed in (0, 1):
        whole, resumed = (state(f"runs/Helmholtz2D/version_{n}/seed_{seed}") for n in (0, 2))
        assert_same_state(whole, resumed)


def test_resume_starts_seeds_without_a_checkpoint_from_the_beginning(caplog: pytest.LogCaptureFixture) -> None:
    fit = ["fit", *SMALL, "--trainer.max_steps=4"]
    main([*fit, "--seeds=[0]"])
    main([*fit, "--seeds=[0,1]", "--ckpt_path=runs/Helmholtz2D/version_0"])
    assert "Seed 1 has no checkpoint in runs/Helmholtz2D/version_0: it starts from the beginning." in caplog.messages
    main([*fit, "--seed_everything=1"])
    assert_same_state(state("runs/Helmholtz2D/version_1/seed_1"), state("runs/Helmholtz2D/version_2"))
    assert state("runs/Helmholtz2D/version_0/seed_0")["global_step"] == 4


def test_seeds_in_yaml_and_without_logger(tmp_path: Path) -> None:
    Path("seeds.yaml").write_text("seeds: [1, 2]\n")
    options = ["--trainer.max_steps=2", "--trainer.logger=false", "--trainer.default_root_dir=here"]
    cli = run(["fit", *SMALL, "--config=seeds.yaml", *options])
    assert cli.ensemble is not None
    assert cli.ensemble.seeds == (1, 2)
    assert state("here/seed_1")["global_step"] == state("here/seed_2")["global_step"] == 2


def test_a_checkpoint_callback_with_a_folder_gets_one_per_seed() -> None:
    Path("keep.yaml").write_text(
        "trainer:\n  callbacks:\n  - class_path: ModelCheckpoint\n    init_args: {dirpath: kept, save_last: true}\n"
    )
    main(["fit", *SMALL, "--config=keep.yaml", "--trainer.max_steps=2", "--seeds", "4", "5"])
    assert {path.parent.name for path in Path("kept").rglob("last.ckpt")} == {"seed_4", "seed_5"}


def test_a_seed_that_diverges_is_named_and_the_others_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    bad = ["--trainer.max_steps=3", "--model.optimizer.lr=1e30", "--model.scheduler=null"]
    with pytest.raises(NonFiniteError, match=r"^Seed 0: "):
        main(["fit", *SMALL, *bad, "--seeds", "0", "1"])
    assert "2 seeds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["fit", "--seeds"], "`seeds` must be different whole numbers >= 0, such as `--seeds 0 1 2`, got []"),
        (["fit", "--seeds", "1", "1"], "got [1, 1]"),
        (["fit", "--seeds", "-1", "1"], "got [-1, 1]"),
        (["fit", "--seeds", "0", "1", "--workers=0"], "`workers` must be >= 1, got 0"),
        (["fit", "--workers=2"], "`workers` must be left out unless `seeds` is given, got 2"),
        (["fit", "--seeds", "0", "1", "--seed_everything=3"], "`seed_everything` must be left out where `seeds`"),
        (["validate", "--seeds", "0", "1"], "`seeds` must be left out of `validate`"),
        (["fit", "--seeds", "0", "--ckpt_path=runs/none.ckpt"], "`ckpt_path` must be the folder of all seeds"),
        (["fit", "--seeds", "0", "--ckpt_path=."], "`ckpt_path` must be a file that exists"),
    ],
    ids=str,
)
def test_mistakes(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in fails(capsys, args[0], *SMALL, *args[1:])


def test_workers_need_joblib(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(seed_options, "find_spec", lambda name: None)
    said = fails(capsys, "fit", *SMALL, "--seeds", "0", "1", "--workers=2")
    assert 'is not installed, got 2. Run pip install "lightning-autobalance[bench]".' in said


@pytest.mark.parametrize("logger", ["TensorBoardLogger", "CSVLogger", "false"])
def test_the_folder_of_a_seed_is_the_one_that_it_gets(logger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []

    def seed_run(cli: AutoBalanceCLI, of_all: Any, seed: int) -> SeedRun:
        folders.append(seed_options.seed_folder(of_all[cli.subcommand], seed))
        return original(cli, of_all, seed)

    original = AutoBalanceCLI._seed_run
    monkeypatch.setattr(AutoBalanceCLI, "_seed_run", seed_run)
    main(
        ["fit", *SMALL, "--trainer.max_steps=1", f"--trainer.logger={logger}", "--seeds=[5]"]
        + ([] if logger == "false" else ["--trainer.logger.save_dir=runs"])
    )
    (folder,) = folders
    assert (folder / "checkpoints" / "last.ckpt").exists()


def test_several_processes_are_refused() -> None:
    with pytest.raises(MisconfigurationException, match="`strategy` must be a single device"):
        main(["fit", *SMALL, "--seeds", "0", "1", "--trainer.strategy=ddp", "--trainer.devices=2"])


def test_help_tells_of_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    assert "--seeds 0 1 2" in " ".join(capsys.readouterr().out.split())
