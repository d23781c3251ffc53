"""A checkpoint from a stranger imports nothing, and a configuration that is not valid here is said in one line."""

import sys
from argparse import ArgumentError
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lightning_autobalance.cli.lightning_cli import run
from lightning_autobalance.problems import Helmholtz2D
from lightning_autobalance.training.stored_configuration import check_imports, configuration_error


def holding(**arguments: Any) -> dict[str, Any]:
    return {"hyper_parameters": {"_instantiator": "lightning.pytorch.cli.instantiate_module", **arguments}}


def of(class_path: str, **init_args: Any) -> dict[str, Any]:
    return {"class_path": class_path, "init_args": init_args}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"net": of("evil.Net")}, r"`net` .* got 'evil\.Net'.*trusted_modules=\['evil'\]"),
        ({"net": of("torch.nn.Sequential", args=[of("os.system", command="x")])}, r"`net` .* got 'os\.system'"),
        ({"optimizer": "subprocess.Popen"}, r"`optimizer` .* got 'subprocess\.Popen'"),
        ({"optimizer": of("AutoBalance", optimizer="shutil.rmtree")}, r"`optimizer` .* got 'shutil\.rmtree'"),
        ({"scheduler": of("torch.hub.load")}, r"`scheduler` .* got 'torch\.hub\.load'"),
        ({"net": of("torch.nnx.Net")}, r"got 'torch\.nnx\.Net'"),
        ({"net": of("my_pde.Net")}, r"classes of lightning_autobalance, torch\.nn, torch\.optim, .*got 'my_pde\.Net'"),
    ],
)
def test_other_modules_are_refused(arguments: Any, named: str) -> None:
    with pytest.raises(MisconfigurationException, match=named) as refused:
        check_imports(holding(**arguments), [])
    assert len(str(refused.value).splitlines()) == 1
    old = {"hparams": holding(**arguments)["hyper_parameters"]}  # which Lightning reads, too
    with pytest.raises(MisconfigurationException, match=named):
        check_imports(old, [])
    check_imports(holding(**arguments), [], replaced=arguments)
    check_imports({"hyper_parameters": arguments}, [])  # not of the command line: nothing is parsed


def test_what_may_be_imported() -> None:
    net = of("my_pde.nets.Net", inner=of("torch.nn.Tanh"), text="val/rel_l2", file="no_such_module_1.csv", n=[1, 0.5])
    arguments = {
        "net": net,
        "optimizer": of("torch.optim.AdamW"),
        "balancer": of("lightning_autobalance.balancing.NTK"),
    }
    check_imports(holding(**arguments), ["my_pde"])


def test_a_reference_may_be_called_as_a_module() -> None:
    given = {"file": "random.csv", "inputs": ["os.path"], "targets": {"u": "os.path"}}
    check_imports(holding(reference=given), [])
    with pytest.raises(MisconfigurationException, match=r"`reference` .* got 'evil\.Net'"):
        check_imports(holding(reference={"file": of("evil.Net")}), [])


@pytest.fixture
def last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    options = ("--data.points.interior=8", "--data.points.boundary=4", "--data.eval_points=16", "--trainer.max_steps=1")
    quiet = ("--trainer.logger=false", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false")
    cli = run(
        ["fit", "--model=Helmholtz2D", "--model.optimizer=AutoAdamW", *options, *quiet, "--default_callbacks=false"]
    )
    cli.trainer.save_checkpoint(tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


def test_a_strangers_module_is_not_imported(last: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(Helmholtz2D.load_from_checkpoint(last)) is Helmholtz2D
    checkpoint = torch.load(last, weights_only=True)
    checkpoint["hyper_parameters"]["net"] = of("stranger.Net")
    torch.save(checkpoint, last)
    lines = ["from pathlib import Path", "from lightning_autobalance import MLP", "Path('harm').touch()"]
    (last.parent / "stranger.py").write_text("\n".join([*lines, "class Net(MLP): pass"]))
    monkeypatch.syspath_prepend(last.parent)
    with last.open("rb") as file:
        for source in (last, str(last), file):
            with pytest.raises(MisconfigurationException, match=r"`net` in the checkpoint .* got 'stranger\.Net'"):
                Helmholtz2D.load_from_checkpoint(source)
    assert not Path("harm").exists()
    assert "stranger" not in sys.modules
    with last.open("rb") as file:
        Helmholtz2D.load_from_checkpoint(file, net=Helmholtz2D().net)
    assert not Path("harm").exists()
    with pytest.raises(MisconfigurationException, match="`net` must be as in the checkpoint, MLP, got Net"):
        Helmholtz2D.load_from_checkpoint(last, trusted_modules=["stranger"])
    assert Path("harm").exists()


def test_a_value_that_is_not_valid_here(last: Path) -> None:
    checkpoint = torch.load(last, weights_only=True)
    checkpoint["hyper_parameters"]["steps_per_call"] = "many"
    torch.save(checkpoint, last)
    with pytest.raises(
        MisconfigurationException, match=r"`steps_per_call` .*Got value: many\. .*steps_per_call=\.\.\."
    ) as said:
        Helmholtz2D.load_from_checkpoint(last)
    assert len(str(said.value).splitlines()) == 1


def test_a_missing_file_is_named() -> None:
    found = "Not of type Path_fr: File does not exist: 'a'"
    text = (
        "Parser key \"module\":\n  Does not validate against any\n  Errors:\n    - Problem with given class_path 'A':\n"
        f'        Parser key "table":\n          Subtypes: [Path]\n            - {found}\n'
        "            - Expected a <class 'NoneType'>\n          Given value: a"
    )
    said = str(configuration_error(ArgumentError(None, text)))
    assert said.startswith(f"`table` in the checkpoint's configuration must be valid here, got: {found}")
    assert "\n" not in said
    assert "`load_from_checkpoint(path, name=...)`" in str(configuration_error(ArgumentError(None, "oh")))
