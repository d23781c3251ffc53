"""The monitor against hand-computed norms, ratios and cosines."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from helpers.toys import Decay, Poisson2D, fit, trainer
from lightning_autobalance.callbacks import BalanceMonitor
from lightning_autobalance.callbacks.balance_monitor import gram_statistics
from lightning_autobalance.jacobian import gramian, term_gradients
from lightning_autobalance.optim import AutoAdamW

KEYS = {
    "balance/grad_norm/pde",
    "balance/grad_norm/boundary",
    "balance/grad_ratio/pde_x_boundary",
    "balance/grad_cos/pde_x_boundary",
    "balance/update_norm/pde",
    "balance/update_norm/boundary",
    "balance/update_ratio/pde_x_boundary",
    "balance/update_cos/pde_x_boundary",
    "balance/surviving_descent",
    "balance/cancelled_share",
}


def test_values_by_hand() -> None:
    vectors = torch.tensor([[3.0, 0.0], [1.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    found = gram_statistics(gramian([vectors]), ("a", "b", "c"), "grad")
    assert found["balance/grad_norm/a"] == 3
    assert found["balance/grad_norm/b"].item() == pytest.approx(2**0.5)
    assert found["balance/grad_ratio/a_x_b"].item() == pytest.approx(3 / 2**0.5)
    assert found["balance/grad_cos/a_x_b"].item() == pytest.approx(0.7071067811865476)
    assert found["balance/grad_cos/a_x_c"] == 0
    assert found["balance/grad_ratio/a_x_c"] == float("inf")
    assert len(found) == 3 + 3 + 3


def test_ratios_of_gradients_of_very_different_size() -> None:
    vectors = torch.tensor([[1e-9, 1e-9], [1e9, -1e9]])
    found = gram_statistics(gramian([vectors]), ("a", "b"), "grad")
    assert found["balance/grad_ratio/a_x_b"].item() == pytest.approx(1e-18, rel=1e-6)
    assert found["balance/grad_cos/a_x_b"].item() == pytest.approx(0.0, abs=1e-12)


def lines(tmp_path: Path) -> list[dict[str, float]]:
    header, *rows = (line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines())
    rows = [dict(zip(header, row, strict=True)) for row in rows]
    return [{k: float(v) for k, v in row.items() if v} for row in rows if row["loss/pde"]]


def watched(tmp_path: Path, optimizer: Any = AutoAdamW, steps: int = 4, **options: Any) -> list[dict[str, float]]:
    torch.manual_seed(0)
    logger = CSVLogger(tmp_path, name="", version="")
    module = Poisson2D(optimizer=optimizer)
    fit(module, tmp_path, max_steps=steps, logger=logger, callbacks=[BalanceMonitor()], **options)
    return lines(tmp_path)


def test_every_key_is_in_one_line_per_logged_step(tmp_path: Path) -> None:
    found = watched(tmp_path, log_every_n_steps=2)
    assert [row["step"] for row in found] == [0, 2]
    assert all(row.keys() == KEYS | {"step", "loss/pde", "loss/boundary", "lr"} for row in found)


def test_the_first_adam_updates_are_balanced(tmp_path: Path) -> None:
    (first,) = watched(tmp_path, steps=1, log_every_n_steps=1)
    assert first["balance/grad_ratio/pde_x_boundary"] > 3
    # each coordinate moves by lr, but for the last bias, which the equation does not reach
    n = 8 * 3 + 8 * 9 + 9
    assert first["balance/update_norm/boundary"] == pytest.approx(1e-3 * n**0.5, rel=1e-3)
    assert first["balance/update_norm/pde"] == pytest.approx(1e-3 * (n - 1) ** 0.5, rel=1e-3)


def test_logged_gradients_are_those_of_the_losses(tmp_path: Path) -> None:
    (first,) = watched(tmp_path, steps=1, log_every_n_steps=1)
    torch.manual_seed(0)
    twin = Poisson2D()
    from helpers.toys import points

    losses = twin.losses(points(twin).draw(twin.domain, 0))
    norms = gramian([b for b in term_gradients(losses, list(twin.parameters())) if b is not None]).diagonal().sqrt()
    logged = [first["balance/grad_norm/pde"], first["balance/grad_norm/boundary"]]
    torch.testing.assert_close(torch.tensor(logged, dtype=torch.float64), norms, rtol=1e-4, atol=1e-8)


def test_plain_optimizers_have_gradients_but_no_updates(tmp_path: Path) -> None:
    found = watched(tmp_path, optimizer=torch.optim.AdamW, log_every_n_steps=2)
    assert [row["step"] for row in found] == [0, 2]
    expected = {k for k in KEYS if "grad" in k} | {"balance/weight/pde", "balance/weight/boundary"}
    assert all({k for k in row if k.startswith("balance/")} == expected for row in found)
    assert all(row["balance/weight/pde"] == 1 for row in found)


def test_nothing_is_computed_between_logged_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    from lightning_autobalance.callbacks import balance_monitor

    monkeypatch.setattr(balance_monitor, "gramian", lambda blocks: calls.append(1) or gramian(blocks))
    watched(tmp_path, steps=10, log_every_n_steps=5)
    assert len(calls) == 2 * 2  # two logged steps, gradients and updates


def test_the_monitor_does_not_touch_the_run(tmp_path: Path) -> None:
    def weights(callbacks: list[Any]) -> torch.Tensor:
        torch.manual_seed(0)
        module = Decay(optimizer=partial(AutoAdamW, lr=1e-2))
        fit(module, tmp_path, max_steps=20, callbacks=callbacks, log_every_n_steps=1)
        return torch.cat([p.detach().flatten() for p in module.parameters()])

    assert torch.equal(weights([]), weights([BalanceMonitor()]))


def test_a_second_fit_is_watched_once(tmp_path: Path) -> None:
    module, monitor = Decay(), BalanceMonitor()
    for steps in (2, 4):
        lightning_trainer = fit(module, tmp_path, max_steps=steps, callbacks=[monitor])
        assert not lightning_trainer.optimizers[0]._update_hooks
        assert monitor.statistics["grad"].count == 1


def test_statistics_are_those_of_the_logged_steps_and_go_on_after_a_resume(tmp_path: Path) -> None:
    def statistics(steps: int, **options: Any) -> dict[str, Any]:
        torch.manual_seed(0)
        monitor = BalanceMonitor()
        options = {"log_every_n_steps": 2, "enable_checkpointing": True, **options}
        lightning_trainer = fit(Poisson2D(), tmp_path, max_steps=steps, callbacks=[monitor], **options)
        lightning_trainer.save_checkpoint(tmp_path / f"{steps}.ckpt")
        return monitor.state_dict()

    whole = statistics(10)
    assert whole["grad"]["count"] == whole["update"]["count"] == 5
    statistics(5)
    resumed = statistics(10, ckpt_path=tmp_path / "5.ckpt")
    assert resumed["grad"]["count"] == 5
    torch.testing.assert_close(resumed["update"]["sums"], whole["update"]["sums"], rtol=0, atol=0)


def test_tensorboard_reads_every_key(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path, name="", version="")
    fit(Poisson2D(), tmp_path, max_steps=4, logger=logger, log_every_n_steps=2, callbacks=[BalanceMonitor()])
    events = EventAccumulator(str(tmp_path)).Reload()
    tags = set(events.Tags()["scalars"])
    assert tags >= KEYS | {"loss/pde", "loss/boundary", "lr", "val/mse", "val/linf", "val/rel_l2"}
    assert [event.step for event in events.Scalars("loss/pde")] == [0, 2]


def test_other_modules_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"must watch a `PINNModule`, or .*, got BoringModel"):
        trainer(tmp_path, max_steps=1, callbacks=[BalanceMonitor()]).fit(BoringModel())
