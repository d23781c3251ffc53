"""Unknown parameters are logged, drawn, and in the table with their spread."""

import re
from collections.abc import Mapping
from math import isnan
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from rich.console import Console
from torch import Tensor

from helpers.toys import Decay, fit, points
from lightning_autobalance.callbacks import UnknownParameters
from lightning_autobalance.callbacks.fit_summary import summary
from lightning_autobalance.callbacks.unknown_parameters import draw, unknown_rows
from lightning_autobalance.nets.bounded import Bounded
from lightning_autobalance.optim.finish import LevenbergMarquardt

pytestmark = pytest.mark.usefixtures("no_pictures")


class Known(Decay):
    true_parameters: Mapping[str, float] = {"k": 1.0}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.k = Bounded(0.5)

    def residuals(self, points: Any) -> dict[str, Tensor]:
        u, u_x = self.partials(points["interior"], "", "x")
        ends = points["boundary"]
        return {"pde": u_x + self.k() * u, "boundary": self(ends) - torch.exp(-ends)}


def trained(folder: Path, steps: int = 20, watcher: UnknownParameters | None = None, **options: Any) -> Any:
    module = Known(**options.pop("module", {}))
    callbacks = [watcher if watcher is not None else UnknownParameters()]
    return fit(
        module, folder, points(module), max_steps=steps, callbacks=callbacks, **{"log_every_n_steps": 1, **options}
    )


def test_the_history_is_logged_and_drawn(tmp_path: Path) -> None:
    watcher = UnknownParameters()
    trained(tmp_path, watcher=watcher, logger=CSVLogger(tmp_path, name=None, flush_logs_every_n_steps=1))
    assert watcher.steps == list(range(21))
    assert watcher.history["k"][0] == pytest.approx(0.5)
    assert len(set(watcher.history["k"])) == 21
    assert list(tmp_path.rglob("plots/parameters_step20.png"))
    (log,) = tmp_path.rglob("metrics.csv")
    assert "unknown/k" in log.read_text().splitlines()[0]


def test_a_finish_is_watched_too(tmp_path: Path) -> None:
    watcher = UnknownParameters()
    trained(tmp_path, 6, watcher, module={"finish": LevenbergMarquardt(4)})
    assert watcher.steps == list(range(7))
    sparse = UnknownParameters()
    trained(tmp_path, 6, sparse, module={"finish": LevenbergMarquardt(4), "steps_per_call": 2}, log_every_n_steps=100)
    assert sparse.steps == [0, 3, 4, 5, 6]
    started, ended = (abs(watcher.history["k"][i] - 1.0) for i in (2, -1))
    assert ended < started  # whatever the weights at the start


def test_resume_goes_on_with_the_history(tmp_path: Path) -> None:
    whole, part, resumed = UnknownParameters(), UnknownParameters(), UnknownParameters()
    torch.manual_seed(0)
    trained(tmp_path, 12, whole)
    torch.manual_seed(0)
    trained(tmp_path, 5, part).save_checkpoint(tmp_path / "part.ckpt")
    trained(tmp_path, 12, resumed, ckpt_path=tmp_path / "part.ckpt")
    assert resumed.steps == whole.steps
    assert resumed.history == whole.history


def test_the_spread_is_that_of_the_end() -> None:
    watcher = UnknownParameters()
    watcher.load_state_dict({"steps": list(range(101)), "values": {"k": [5.0] * 90 + [1.0, 2.0] * 5 + [1.0]}})
    assert watcher.spread("k", 90) == pytest.approx(torch.tensor([1.0, 2.0] * 5 + [1.0]).std().item())
    assert isnan(watcher.spread("k", 99))


def test_the_table_has_them(tmp_path: Path) -> None:
    trainer = trained(tmp_path, 40)
    console = Console(record=True, width=200)
    console.print(summary(trainer, trainer.lightning_module, seconds=1.0, steps=40))
    assert re.search(r"k +│ +0\.\d+ ± \S+ since step 36", console.export_text())
    trainer.callbacks.clear()
    assert "±" not in unknown_rows(trainer, trainer.lightning_module)["k"]


def test_the_spread_in_the_table_is_not_that_of_the_way_to_a_finish(tmp_path: Path) -> None:
    trainer = trained(tmp_path, 20, module={"finish": LevenbergMarquardt(8)})
    assert "since step 18" in unknown_rows(trainer, trainer.lightning_module)["k"]
    trainer = trained(tmp_path, 20, module={"finish": LevenbergMarquardt(2)})
    assert "±" not in unknown_rows(trainer, trainer.lightning_module)["k"]  # two values


def test_a_problem_without_unknowns_has_no_figure(tmp_path: Path) -> None:
    trainer = fit(Decay(), tmp_path, max_steps=2, callbacks=[UnknownParameters()])
    assert not list(tmp_path.rglob("parameters*.png"))
    assert unknown_rows(trainer, trainer.lightning_module) == {}


def test_an_exact_solution_is_checked_with_the_true_values(tmp_path: Path) -> None:
    trained(tmp_path, 1)  # the guess, 0.5, would leave a residual
    module = Known()
    module.true_parameters = {"k": 2.0}
    with pytest.raises(Exception, match="parameters \\['k'\\] are not at their true values"):
        fit(module, tmp_path, points(module), max_steps=1)
    assert float(module.k().detach()) == pytest.approx(0.5)


def test_the_true_value_is_a_line() -> None:
    (axis,) = draw([0, 1, 2], {"k": [0.5, 0.7, 0.9]}, {"k": 1.0}).axes
    assert axis.lines[1].get_ydata()[0] == 1.0
    assert axis.get_title(loc="right") == "0.9 at the end, true 1"
    (axis,) = draw([0, 1, 2], {"k": [0.5, 0.7, 0.9]}).axes
    assert len(axis.lines) == 1
