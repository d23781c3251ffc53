"""Points: seeded, stateful, of the module's dtype."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback
from lightning.pytorch.demos.boring_classes import BoringModel
from torch import Tensor

from helpers.runs import assert_equal
from helpers.toys import Decay, Poisson2D, Rate, fit, measured, points, trainer
from lightning_autobalance.callbacks import UnknownParameters
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.optim.finish import LevenbergMarquardt
from lightning_autobalance.points import Grid, LatinHypercube, Measurements, Rectangle, Sobol
from lightning_autobalance.variants import CWP, GPINN, RBA, CoPINN


class Seen(Poisson2D):
    """Keeps the points of every step."""

    def losses(self, points: Any) -> dict[str, Tensor]:
        if self.trainer.training:
            self.__dict__.setdefault("batches", []).append({part: x.clone() for part, x in points.items()})
        return super().losses(points)


def batches(tmp_path: Path, steps: int = 6, precision: str = "32-true", **options: Any) -> list[dict[str, Tensor]]:
    module = Seen(steps_per_call=options.pop("steps_per_call", 1))
    fit(module, tmp_path, points(Poisson2D(), **options), max_steps=steps, precision=precision)
    return module.batches[1:]  # the first are a few points, before training


def draws(found: list[dict[str, Tensor]]) -> list[int]:
    """The number of each step's draw, by comparison."""
    different: list[Tensor] = []
    numbers = []
    for batch in found:
        known = [i for i, x in enumerate(different) if torch.equal(x, batch["interior"])]
        if not known:
            different.append(batch["interior"])
        numbers.append(known[0] if known else len(different) - 1)
    return numbers


def test_counts_shapes_and_places(tmp_path: Path) -> None:
    batch = batches(tmp_path, steps=1)[0]
    assert {part: tuple(x.shape) for part, x in batch.items()} == {"interior": (32, 2), "boundary": (16, 2)}
    on_edge = ((batch["boundary"] == 0) | (batch["boundary"] == 1)).any(dim=1)
    assert on_edge.all()


def test_fixed_by_default(tmp_path: Path) -> None:
    assert draws(batches(tmp_path)) == [0] * 6


def test_resampling_keeps_its_pace_across_epochs(tmp_path: Path) -> None:
    assert draws(batches(tmp_path, steps=14, resample_every=3)) == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 2


def test_resampling_with_several_steps_per_call(tmp_path: Path) -> None:
    found = draws(batches(tmp_path, steps=10, resample_every=4, steps_per_call=2))
    assert found == [0] * 4 + [1] * 4 + [2] * 2


@pytest.mark.parametrize("every", [1, 3, 4])
def test_points_may_change_within_a_call(tmp_path: Path, every: int) -> None:
    options: dict[str, Any] = {"steps": 11, "resample_every": every}
    found = batches(tmp_path, steps_per_call=4, **options)
    assert draws(found) == [step // every for step in range(11)]
    for there, here in zip(found, batches(tmp_path, **options), strict=True):
        assert all(torch.equal(there[part], here[part]) for part in here)


@pytest.mark.parametrize("every", [0, 100])
def test_another_fit_has_points_of_its_own(tmp_path: Path, every: int) -> None:
    class Shifted(Seen):
        domain = Rectangle((5, 6), (5, 6))

    data = points(Poisson2D(), resample_every=every)
    first, second, third = Seen(), Shifted(check_exact=False), Shifted(check_exact=False)
    for module in (first, second):
        fit(module, tmp_path, data, max_steps=2)
    assert second.batches[-1]["interior"].min() >= 5
    data.seed = 99
    fit(third, tmp_path, data, max_steps=2)
    assert not torch.equal(third.batches[-1]["interior"], second.batches[-1]["interior"])


@pytest.mark.parametrize("every", [1, 3])
def test_a_callback_may_log_where_points_change_within_a_call(tmp_path: Path, every: int) -> None:
    class Logging(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            pl_module.log("mine", float(trainer.global_step), on_epoch=True)

    module = Poisson2D(steps_per_call=2)
    fit(module, tmp_path, points(module, steps_per_epoch=4, resample_every=every), max_steps=4, callbacks=[Logging()])
    assert float(module.trainer.callback_metrics["mine"]) == 2.5  # of 1 to 4


def test_the_draws_follow_the_data_module(tmp_path: Path) -> None:
    class Faster(Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step == 4:
                trainer.datamodule.resample_every = 1

    module = Seen()
    data = points(module, resample_every=2)
    fit(module, tmp_path, data, max_steps=7, callbacks=[Faster()])
    before = [0, 0, 1, 1]
    assert draws(module.batches[1:]) == [*before, 2, 3, 4]


def test_dtype_follows_the_precision(tmp_path: Path) -> None:
    assert batches(tmp_path, steps=1, precision="64-true")[0]["interior"].dtype == torch.float64


def test_seed(tmp_path: Path) -> None:
    def first(seed: int | None) -> Tensor:
        return batches(tmp_path, steps=1, seed=seed)[0]["interior"]

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))
    torch.manual_seed(7)
    assert torch.equal(first(None), first(7))


def test_the_points_do_not_depend_on_the_network(tmp_path: Path) -> None:
    module = Seen()
    _ = torch.rand(100)
    fit(module, tmp_path, points(Poisson2D()), max_steps=1)
    assert torch.equal(module.batches[1]["interior"], batches(tmp_path, steps=1)[0]["interior"])


def test_other_samplers(tmp_path: Path) -> None:
    x = batches(tmp_path, steps=1, sampler=LatinHypercube())[0]["interior"]
    strata = (x[:, 0] * 32).floor().int().sort().values
    assert torch.equal(strata, torch.arange(32, dtype=torch.int32))


def test_a_count_that_the_sampler_cannot_draw_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"must fit .*'interior', 32 over 1 face.*25 or 36"):
        batches(tmp_path, sampler=Grid())


def test_state_goes_into_a_fresh_object(tmp_path: Path) -> None:
    lightning_trainer = trainer(tmp_path, max_steps=4)
    data = points(Poisson2D(), seed=3, resample_every=3)
    lightning_trainer.fit(Poisson2D(), data)
    torch.save(data.state_dict(), tmp_path / "data.pt")
    fresh = points(Poisson2D(), seed=99, resample_every=3)
    with pytest.warns(UserWarning, match="`seed` of the points is 99; the run goes on with the checkpoint's, 3"):
        fresh.load_state_dict(torch.load(tmp_path / "data.pt", weights_only=True))
    fresh.trainer = lightning_trainer
    assert torch.equal(fresh.points_at(4)["interior"], data.points_at(4)["interior"])
    assert torch.equal(fresh.points_at(6)["interior"], data.points_at(6)["interior"])


def test_a_checkpoint_with_other_counts_is_refused() -> None:
    data = CollocationPoints({"interior": 4})
    with pytest.raises(MisconfigurationException, match=r"must be as in the checkpoint, {'interior': 5}, got"):
        data.load_state_dict({"counts": {"interior": 5}, "seed": 0, "draw": 0, "points": {}})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": {}}, "`points` must give a number by part of the domain"),
        ({"points": {"interior": 0}}, "`points` of 'interior' must be a whole number >= 1, got 0"),
        ({"points": {"interior": -5}}, "`points` of 'interior' must be a whole number >= 1, got -5"),
        ({"points": {"interior": 5}, "resample_every": -1}, "`resample_every` must be >= 0"),
        ({"points": {"interior": 5}, "eval_points": 0}, "`eval_points` must be >= 1, got 0"),
    ],
)
def test_bad_numbers(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CollocationPoints(**options)


def test_other_modules_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        MisconfigurationException, match="`CollocationPoints` must be used with a `PINNModule`, got Bor"
    ):
        trainer(tmp_path, max_steps=1).fit(BoringModel(), CollocationPoints({"interior": 4}))


def test_a_module_without_exact_solution_is_validated_on_held_out_points(tmp_path: Path) -> None:
    class Unknown(PINNModule):
        domain = Decay.domain

        def residuals(self, points: Any) -> dict[str, Tensor]:
            (u_x,) = self.partials(points["interior"], "x")
            return {"pde": u_x + self(points["interior"])}

    for mode in ("taylor", "reverse"):
        module, data = Unknown(derivatives=mode), points(Decay())
        lightning_trainer = fit(module, tmp_path, data, max_steps=2)
        metrics = {k: v.item() for k, v in lightning_trainer.callback_metrics.items() if k.startswith("val/")}
        (batch,) = data.val_dataloader()
        assert not torch.equal(batch["interior"], data.points_at(0)["interior"])
        loss = module.losses(batch)["pde"].item()
        assert metrics == pytest.approx({"val/loss/pde": loss, "val/loss": loss})


def test_the_evaluation_grid_comes_in_batches(tmp_path: Path) -> None:
    module = Poisson2D()
    data = points(module, eval_points=90, eval_batch_size=40)
    data.trainer = trainer(tmp_path)
    data.trainer.strategy._lightning_module = module
    sizes = [len(batch) for batch in data.predict_dataloader()]
    assert sizes == [40, 40, 1]
    assert len(data.val_dataloader()) == 3


def test_unknown_part(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"`data.points` must fit the domain .*bondary"):
        fit(Decay(), tmp_path, CollocationPoints({"bondary": 2}), max_steps=1)


def test_faces_without_points(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match="`points` of 'boundary' must be >= 2, one for each of its fac"):
        fit(Decay(), tmp_path, CollocationPoints({"interior": 5, "boundary": 1}, seed=0), max_steps=1)


def test_another_sampler_on_resume(tmp_path: Path) -> None:
    fit(Decay(), tmp_path, max_steps=2).save_checkpoint(tmp_path / "uniform.ckpt")
    data = points(Decay(), sampler=Sobol())
    with pytest.raises(MisconfigurationException, match="`sampler` must be as in the checkpoint, Uniform, got Sobol"):
        fit(Decay(), tmp_path, data, max_steps=4, ckpt_path=tmp_path / "uniform.ckpt")


# Measurements.


class SeenRate(Rate):
    """Keeps the points of every step."""

    def losses(self, points: Any) -> dict[str, Tensor]:
        if self.trainer.training:
            self.__dict__.setdefault("batches", []).append({part: x.clone() for part, x in points.items()})
        return super().losses(points)


def rate_points(measurements: Any = None, **options: Any) -> CollocationPoints:
    return points(Rate(), measurements=measurements if measurements is not None else measured(batch=20), **options)


def test_measurements_come_in_batches_beside_the_points(tmp_path: Path) -> None:
    found = []
    for per_call in (1, 4):
        module = SeenRate(steps_per_call=per_call)
        fit(module, tmp_path, rate_points(resample_every=3), max_steps=10)
        found.append(module.batches[1:])
    for here, there in zip(*found, strict=True):
        assert list(here) == ["interior", "boundary", "data", "data_targets"]
        assert here["data"].shape == here["data_targets"].shape == (20, 1)
        assert all(torch.equal(here[part], there[part]) for part in here)
    taken = torch.cat([batch["data"][:, 0] for batch in found[0][:5]])
    assert sorted(taken[:50].unique(return_counts=True)[1].tolist()) == [1] * 50  # an epoch


@pytest.mark.parametrize("variant", [None, CoPINN(iterations=20), RBA(), CWP(resample_every=3, seed=0), GPINN()])
@pytest.mark.parametrize("per_call", [1, 3])
def test_measurements_resume_within_an_epoch(tmp_path: Path, per_call: int, variant: Any) -> None:
    def trained(steps: int, path: Path | None = None) -> Any:
        torch.manual_seed(0)
        module = Rate(steps_per_call=per_call, variant=deepcopy(variant))
        options = {"callbacks": [UnknownParameters()], "log_every_n_steps": 2}
        return fit(module, tmp_path, rate_points(), max_steps=steps, ckpt_path=path, **options)

    whole = trained(11)
    trained(4).save_checkpoint(tmp_path / "part.ckpt")
    resumed = trained(11, tmp_path / "part.ckpt")
    for name, lightning_trainer in {"whole": whole, "resumed": resumed}.items():
        lightning_trainer.save_checkpoint(tmp_path / f"{name}.ckpt")
    a, b = (torch.load(tmp_path / f"{name}.ckpt", weights_only=True) for name in ("whole", "resumed"))
    for part in ("state_dict", "optimizer_states", "CollocationPoints"):
        assert_equal(a[part], b[part], part)


def test_a_finish_takes_all_measurements(tmp_path: Path) -> None:
    module = Rate(finish=LevenbergMarquardt(6, dtype="float64"), check_exact=False)
    data = rate_points(measured(400, noise_std=None, batch=20))
    seen = []
    module.register_forward_hook(lambda _, x, __: seen.append(len(x[0])))
    fit(module, tmp_path, data, max_steps=8)
    assert 20 in seen
    assert len(data.points_at(7)["data"]) == 400
    assert module.k().item() == pytest.approx(1.0, rel=0.05)


def test_noise_ends_the_run_unless_the_module_says_otherwise(tmp_path: Path) -> None:
    module, clean = Rate(weights={"pde": 1e-6}), measured(noise_std=None)
    noisy = Measurements(clean.inputs, clean.targets, noise_std=9.0)
    fit(module, tmp_path, rate_points(noisy), max_steps=9)
    assert "`stop_at_noise`" in module.end_of_run.reason
    module = Rate(stop_at_noise={"data": 1e-9})
    assert fit(module, tmp_path, rate_points(noisy), max_steps=9).global_step == 9
    fit(module, tmp_path, rate_points(measured(noise_std=None)), max_steps=1)
    assert module.end_of_run.noise == {"data": 1e-9}


def test_noise_of_no_term(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"`stop_at_noise` must name loss terms .*got 'probes'"):
        fit(Rate(), tmp_path, rate_points({"data": measured(), "probes": measured()}), max_steps=1)


def test_measurements_that_are_not_those_of_the_exact_solution(tmp_path: Path) -> None:
    off = Measurements({"x": [0.1, 0.2]}, {"u": [0.5, 0.6]})
    with pytest.raises(
        MisconfigurationException, match=r"`data` must vanish on the exact .*noisy \(give their `noise_st"
    ):
        fit(Rate(), tmp_path, rate_points(off), max_steps=1)
    fit(Rate(), tmp_path, rate_points(Measurements(off.inputs, off.targets, noise_std=0.1)), max_steps=1)


def test_without_measurements_their_term_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match="asks for points 'data', but"):
        fit(Rate(), tmp_path, points(Rate()), max_steps=1)


def test_a_file_that_cannot_be_used_and_one_that_is_odd(tmp_path: Path) -> None:
    path = tmp_path / "wake.csv"
    path.write_text("x,u\n100,1\n200,2\n")
    given = Measurements("x", "u", str(path), noise_std=0.1)
    with pytest.raises(MisconfigurationException, match=r"`data.measurements` 'data' from .*wake.csv.*column 'x' goes"):
        fit(Rate(), tmp_path, rate_points(given), max_steps=1)
    path.write_text("x,u\n0.1,1\n0.2,\n")
    with pytest.warns(UserWarning, match="wake.csv': 1 of 2 rows without a number"):
        fit(Rate(), tmp_path, rate_points(given), max_steps=1)


def test_a_file_that_changes_before_a_resume(tmp_path: Path) -> None:
    path = tmp_path / "wake.csv"
    path.write_text("x,u\n0.1,1\n0.2,0.9\n")
    given = Measurements("x", "u", str(path), noise_std=1e-6)
    fit(Rate(), tmp_path, rate_points(given), max_steps=1).save_checkpoint(tmp_path / "a.ckpt")
    path.write_text("x,u\n0.1,1\n0.2,0.8\n")
    with pytest.raises(
        MisconfigurationException, match=r"got others from '.*wake.csv'. Change it back, or start a new"
    ):
        fit(Rate(), tmp_path, rate_points(given), max_steps=2, ckpt_path=tmp_path / "a.ckpt")


def test_without_an_exact_solution_measurements_are_validated_too(tmp_path: Path) -> None:
    class Unknown(PINNModule):
        domain = Rate.domain

        def residuals(self, points: Any) -> dict[str, Tensor]:
            (u_x,) = self.partials(points["interior"], "x")
            return {"pde": u_x, "data": self(points["data"]) - points["data_targets"]}

    metrics = fit(Unknown(), tmp_path, rate_points(), max_steps=2).callback_metrics
    assert float(metrics["val/loss/data"]) > 0


def test_measurements_in_double_precision_and_compiled_shapes_stay(tmp_path: Path) -> None:
    module = SeenRate()
    fit(module, tmp_path, rate_points(measured(batch=15)), max_steps=9, precision="64-true")
    assert {(x["data"].dtype, x["data"].shape) for x in module.batches[1:]} == {(torch.float64, (15, 1))}


def test_it_is_written_with_what_decides_its_points() -> None:
    assert repr(CollocationPoints({"interior": 3}, seed=4)) == (
        "CollocationPoints({'interior': 3}, sampler=Uniform(), resample_every=0, seed=4)"
    )
