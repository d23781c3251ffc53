"""Layout, hyperparameters and final errors arrive in the logs."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2

from helpers.toys import Poisson2D, fit
from lightning_autobalance.balancing import DWA
from lightning_autobalance.callbacks import BalanceMonitor, Dashboard
from lightning_autobalance.callbacks.dashboard import LAYOUT, network_in_words
from lightning_autobalance.variants import RBA


@pytest.fixture
def events(tmp_path: Path) -> Any:
    logger = TensorBoardLogger(tmp_path, name="", version="", default_hp_metric=False)
    module = Poisson2D(weights={"pde": 2.0})
    callbacks = [BalanceMonitor(), Dashboard()]
    fit(module, tmp_path, max_steps=10, logger=logger, log_every_n_steps=2, callbacks=callbacks)
    return EventAccumulator(str(tmp_path)).Reload()


def test_every_series_is_in_exactly_one_chart(events: Any) -> None:
    tags = [t for t in events.Tags()["scalars"] if t.startswith(("loss/", "balance/", "val/", "lr", "log10/"))]
    assert len(tags) > 10
    charts = [patterns for category in LAYOUT.values() for _, patterns in category.values()]
    for tag in tags:
        shown = sum(any(re.match(pattern, tag) for pattern in patterns) for patterns in charts)
        assert shown == (2 if tag == "balance/ideal_ratio" else 1), tag


def charts(events: Any) -> list[str]:
    summary = events.Tensors("custom_scalars__config__")[0].tensor_proto
    layout = layout_pb2.Layout.FromString(summary.string_val[0])
    assert {category.title for category in layout.category} == {"balance", "training"}
    return [chart.title for category in layout.category for chart in category.chart]


def test_the_layout_is_what_tensorboard_reads(events: Any) -> None:
    assert "norm ratios of the updates (ideal: 1)" in charts(events)
    assert not {"weights of the balancer", "variant"} & set(charts(events))  # they would be empty


def test_a_balancer_and_a_variant_have_charts(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, name="", version="", default_hp_metric=False)
    module = Poisson2D(balancer=DWA(), optimizer=torch.optim.AdamW, variant=RBA())
    fit(module, tmp_path, max_steps=2, logger=logger, callbacks=[Dashboard()], log_every_n_steps=1)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert {"weights of the balancer", "variant"} <= set(charts(events))
    assert "variant/weight_max/pde" in events.Tags()["scalars"]


def test_the_ideal_is_a_line(events: Any) -> None:
    line = events.Scalars("balance/ideal_ratio")
    assert [event.step for event in line] == [0, 5, 10]
    assert {event.value for event in line} == {1.0}


def test_hyperparameters_and_final_errors(events: Any) -> None:
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    found = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert found["optimizer"].string_value == "AutoAdamW"
    assert found["problem"].string_value == "Poisson2D"
    assert found["optimizer/lr"].number_value == pytest.approx(1e-3)
    assert found["points/interior"].number_value == 32
    assert found["weights/pde"].number_value == 2.0
    assert found["network"].string_value == "MLP 2-8-8-1"
    assert found["finish"].string_value == "none"
    assert events.Scalars("final/loss/pde")[-1].value == events.Scalars("loss/pde")[-1].value
    assert 0 < events.Scalars("final/seconds")[-1].value < 600
    for name in ("mse", "linf", "rel_l2"):
        last = events.Scalars(f"final/{name}")[-1]
        assert last.step == 10
        assert last.value == events.Scalars(f"val/{name}")[-1].value


def test_csv_gets_the_final_errors_too(tmp_path: Path) -> None:
    module = Poisson2D()
    trainer = fit(module, tmp_path, max_steps=5, logger=CSVLogger(tmp_path, "", ""), callbacks=[Dashboard()])
    header, *rows = (line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines())
    last = dict(zip(header, rows[-1], strict=True))
    assert float(last["final/rel_l2"]) == pytest.approx(float(trainer.callback_metrics["val/rel_l2"]))


def test_the_dashboard_does_not_touch_the_run(tmp_path: Path) -> None:
    def weights(callbacks: list[Any]) -> torch.Tensor:
        torch.manual_seed(0)
        module = Poisson2D()
        fit(module, tmp_path, max_steps=5, callbacks=callbacks)
        return torch.cat([p.detach().flatten() for p in module.parameters()])

    assert torch.equal(weights([]), weights([Dashboard()]))


@pytest.mark.parametrize(("name", "steps"), [("loss/pde", [0, 2, 4, 6, 8]), ("val/rel_l2", [5, 10])])
def test_losses_and_errors_come_as_powers_of_ten(events: Any, name: str, steps: list[int]) -> None:
    plain, logarithms = events.Scalars(name), events.Scalars(f"log10/{name}")
    assert [each.step for each in logarithms] == steps
    for one, other in zip(plain, logarithms, strict=True):
        assert 10**other.value == pytest.approx(one.value, rel=1e-4)


def test_a_network_in_words() -> None:
    assert network_in_words(None) == "none"
    assert network_in_words(torch.nn.Tanh()) == "Tanh"
