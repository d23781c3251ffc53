"""`NeuralField`: values, derivatives, and evaluation by hand on u(x) = w x^2."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from helpers.toys import Decay, fit, points
from lightning_autobalance.field import NeuralField
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.nets.activations import Sin
from lightning_autobalance.points import Disk, Domain, Interval, Rectangle, TimeCylinder


class Square(nn.Module):
    """w x^2 with w = 2."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.w * x**2


class Field(NeuralField):
    """On [0, 4], where u = x^2; the residual is u - 1. Keeps what it logs."""

    domain = Interval(0.0, 4.0)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logged: list[tuple[Any, dict[str, Any]]] = []

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {part: self(x) - 1 for part, x in points.items()}

    def exact(self, x: Tensor) -> Tensor:
        return x**2

    def default_net(self) -> nn.Module:
        return Square()

    def log_dict(self, dictionary: Any, **options: Any) -> None:
        self.logged.append((dictionary, options))


def at(*x: float) -> Tensor:
    return torch.tensor(x)[:, None]


def seeded(cls: type[PINNModule] = Decay, **options: Any) -> PINNModule:
    torch.manual_seed(0)
    return cls(**options)


# Declarations ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "value", "error", "message"),
    [
        ("reported", ("v",), ValueError, r"`reported` must name fields of Toy, \('u',\), got 'v'"),
        ("domain", Interval, TypeError, r"`domain` must be a domain, such as `Interval\(0, 1\)`, got <class"),
    ],
)
def test_declarations(attribute: str, value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        type("Toy", (Decay,), {attribute: value})()


def test_the_default_network_fits_coordinates_and_fields() -> None:
    class Two(NeuralField):
        domain = Rectangle((0, 1), (0, 1))
        fields = ("u", "v", "p")

    field = Two()
    assert isinstance(field.net, MLP)
    assert field(torch.zeros(4, 2)).shape == (4, 3)


def test_what_a_subclass_must_write() -> None:
    class Empty(NeuralField):
        domain = Field.domain

    field = Empty()
    assert not field.has_exact
    assert Field().has_exact
    with pytest.raises(NotImplementedError, match=r"`Empty` must define `residuals\(self, points\)`"):
        field.residuals({})
    with pytest.raises(NotImplementedError, match="`Empty` has no exact solution"):
        field.exact(at(1.0))


# Values and derivatives -----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:`derivatives` go by nested reverse mode")
@pytest.mark.parametrize("mode", ["auto", "reverse"])
def test_values_and_derivatives(mode: Any) -> None:
    field = Field(derivatives=mode)
    assert field(at(3.0, 1.0)).tolist() == [[18.0], [2.0]]
    found = field.partials(at(3.0, 1.0), "", "x", "xx")
    assert [f.tolist() for f in found] == [[[18.0], [2.0]], [[12.0], [4.0]], [[4.0], [4.0]]]


class WithOwnForward(Decay):
    def forward(self, x: Tensor) -> Tensor:
        return 1 + x * self.net(x)


@pytest.mark.parametrize(
    ("field", "mode"),
    [
        (Decay(), "taylor"),
        (Decay(derivatives="reverse"), "reverse"),
        (Decay(derivatives="taylor"), "taylor"),
        (Field(), "reverse"),  # a network without Taylor rules
        (WithOwnForward(), "reverse"),
    ],
)
def test_the_mode_of_derivatives(field: NeuralField, mode: str) -> None:
    assert field.derivative_mode == mode


def test_an_overridden_forward_is_differentiated_as_a_whole() -> None:
    class Shifted(Field):
        def forward(self, x: Tensor) -> Tensor:
            return x * self.net(x)  # 2 x^3

    assert [f.item() for f in Shifted().partials(at(3.0), "", "x", "xx")] == [54.0, 54.0, 36.0]


def test_reverse_mode_for_want_of_a_method_is_told_once() -> None:
    field = Decay(net=nn.Sequential(nn.Linear(1, 4), nn.Sequential(nn.Tanh(), nn.ELU()), nn.Linear(4, 1)))
    message = "go by nested reverse mode, which is slower, because of `net.1.1`: Taylor mode does not know ELU, or it"
    with pytest.warns(UserWarning, match=message):
        field.partials(at(1.0), "x")
    field.partials(at(1.0), "x")
    with pytest.warns(UserWarning, match="because of `net`: Taylor mode does not know Square"):
        Field().normal_derivative(at(4.0))


def test_reverse_mode_that_was_chosen_is_not_told() -> None:
    for field in (Field(derivatives="reverse"), WithOwnForward(), Decay()):
        field.partials(at(1.0), "x")
    with Field().field_replaced(torch.exp):
        Field(derivatives="reverse").partials(at(1.0), "x")


def test_what_is_periodic_and_what_is_not() -> None:
    class Plane(NeuralField):
        domain = TimeCylinder(Rectangle((-1, 1), (0, 1)), (0, 1))

        def forward(self, x: Tensor) -> Tensor:
            return x[:, :1] ** 3 * x[:, 1:2] + torch.cos(torch.pi * x[:, :1]) * x[:, 2:]

    x = torch.tensor([[-1.0, 0.5, 0.3], [0.7, 2.0, 0.3]])
    expected = [[-2 * y, 0.0, -12 * y] for y in (0.5, 2.0)]
    torch.testing.assert_close(Plane().periodic(x, "x", order=2), torch.tensor(expected), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="`order` must be >= 0, got -1"):
        Plane().periodic(x, "x", order=-1)
    torch.testing.assert_close(Plane().periodic(x, "y", order=0), -(x[:, :1] ** 3))
    torch.testing.assert_close(Plane().periodic(x, "t"), torch.cat([-torch.cos(torch.pi * x[:, :1]), 0 * x[:, :1]], 1))


class Mass(NeuralField):
    """u = x² t, v = 1."""

    domain = TimeCylinder(Rectangle((0, 3), (0, 1)).named(right="outlet"), (0, 1))
    fields = ("u", "v")

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, :1] ** 2 * x[:, 2:], torch.ones_like(x[:, :1])], dim=1)


def test_integrals_over_space() -> None:
    field, at_times = Mass(), torch.tensor([[9.0, 9.0, 0.5], [9.0, 9.0, 1.0]])
    torch.testing.assert_close(field.integral(at=at_times), torch.tensor([[4.5, 3.0], [9.0, 3.0]]))
    flux = field.integral("outlet", lambda x: field.normal_derivative(x, "outlet"), at=at_times, count=5)
    torch.testing.assert_close(flux, torch.tensor([[3.0, 0.0], [6.0, 0.0]]))
    whole = field.integral("boundary", field.normal_derivative, at=at_times)
    torch.testing.assert_close(whole, flux)  # the slope at the left is 0
    with pytest.raises(ValueError, match="`at` must be points at whose t to integrate over space, got none"):
        field.integral()


def test_integrals_follow_the_type_of_the_network() -> None:
    field = Field(derivatives="reverse")
    assert field.integral().dtype == torch.float32
    assert field.double().integral().item() == pytest.approx(2 * 4**3 / 3, rel=1e-14)
    assert field.integral("boundary", lambda x: x + 1).item() == 6.0


def test_nodes_from_inference_mode_serve_in_training() -> None:
    field = Field(derivatives="reverse")
    with torch.inference_mode():
        value = field.integral().item()
    integral = field.integral()
    integral.sum().backward()
    assert field.net.w.grad.item() == pytest.approx(value / 2)


# Normal derivatives ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "reverse"])
def test_normal_derivatives_in_closed_form(mode: Any) -> None:
    class Flow(NeuralField):
        domain = Rectangle((0, 1), (0, 2)).named(left="inlet")
        fields = ("u", "v")

        def default_net(self) -> nn.Module:
            return nn.Sequential(nn.Linear(2, 2), Sin())

    flow = Flow(derivatives=mode)
    weight, bias = flow.net[0].weight, flow.net[0].bias
    x = torch.tensor([[0.0, 0.0], [1.0, 2.0], [0.5, 2.0]])
    for part, normal in {"inlet": (-1, 0), "right": (1, 0), "bottom": (0, -1), "top": (0, 1)}.items():
        expected = torch.cos(x @ weight.T + bias) * (weight @ torch.tensor(normal, dtype=torch.float32))
        torch.testing.assert_close(flow.normal_derivative(x, part), expected)
        torch.testing.assert_close(flow.derivative_along(x, 2 * torch.tensor([normal] * 3).float()), 2 * expected)
    with pytest.raises(ValueError, match="`part` must be a part of the boundary, got 'interior'"):
        flow.normal_derivative(x, "interior")


def test_the_normal_derivative_on_a_circle() -> None:
    class Round(NeuralField):
        domain = TimeCylinder(Disk((1.0, -1.0), 2.0), (0.0, 1.0))

        def forward(self, x: Tensor) -> Tensor:  # x y t: not by the network, hence in reverse mode
            return x.prod(dim=1, keepdim=True)

    angle, t = torch.tensor([0.1, 2.0, 5.0]), torch.tensor([0.2, 0.4, 0.6])
    x, y = 1 + 2 * torch.cos(angle), -1 + 2 * torch.sin(angle)
    found = Round().normal_derivative(torch.stack([x, y, t], dim=1))
    torch.testing.assert_close(found[:, 0], t * (y * torch.cos(angle) + x * torch.sin(angle)))


def test_a_replaced_field_has_normal_derivatives() -> None:
    field = Decay()
    with field.field_replaced(lambda x: x**3):
        assert field.normal_derivative(at(1.0), "right").item() == 3.0
        assert field.normal_derivative(at(0.5), "left").item() == -0.75


def test_a_domain_without_normals() -> None:
    class Blob(Domain):
        bounds = ((0.0, 1.0), (0.0, 1.0))

        def contains(self, points: Any) -> Any:
            return (points.sum(axis=1) <= 1) & (points >= 0).all(axis=1)

    with pytest.raises(NotImplementedError, match=r"`Blob` must define `distance\(x\)`"):
        type("OnBlob", (Decay,), {"domain": Blob()})(net=MLP(2, 1)).normal_derivative(torch.ones(2, 2) / 2)


# Another field in place of the network --------------------------------------------------------------------------------


def test_a_replaced_field_answers_everywhere() -> None:
    field = Field(derivatives="reverse")
    with field.field_replaced(lambda x: x**3):
        assert field(at(2.0)).item() == 8.0
        assert [f.item() for f in field.partials(at(2.0), "", "x", "xx")] == [8.0, 12.0, 12.0]
        assert field.residuals({"interior": at(2.0)})["interior"].item() == 7.0
    assert field(at(3.0)).item() == 18.0
    assert [f.item() for f in field.partials(at(3.0), "", "x", "xx")] == [18.0, 12.0, 4.0]


def test_a_replaced_field_is_differentiated_in_reverse() -> None:
    field = Decay(derivatives="taylor")
    with field.field_replaced(torch.exp):
        torch.testing.assert_close(field.partials(at(0.5), "x")[0], torch.exp(at(0.5)))
    auto = Decay()
    with auto.field_replaced(torch.exp):
        assert auto.derivative_mode == "reverse"
    assert auto.derivative_mode == "taylor"


def test_replacements_are_undone_in_turn() -> None:
    field = Field()
    with field.field_replaced(lambda x: x):
        with field.field_replaced(lambda x: -x):
            assert field(at(3.0)).item() == -3.0
        assert field(at(3.0)).item() == 3.0
    assert field(at(3.0)).item() == 18.0
    assert "forward" not in vars(field)


def test_a_replacement_is_undone_after_an_error() -> None:
    field = Field()
    with pytest.raises(RuntimeError, match="size"), field.field_replaced(lambda x: x + torch.zeros(7, 1)):
        field(at(1.0, 2.0))
    assert field(at(3.0)).item() == 18.0


def test_the_own_forward_that_ddp_leaves_on_the_instance_is_no_replacement() -> None:
    field = Decay()
    vars(field)["forward"] = field.forward
    assert field.derivative_mode == "taylor"
    with field.field_replaced(torch.exp):
        assert field.derivative_mode == "reverse"
    assert field.derivative_mode == "taylor"
    assert "forward" in vars(field)


# Points ---------------------------------------------------------------------------------------------------------------


def test_points_have_the_dtype_of_the_parameters() -> None:
    field = Field()
    assert field.points_dtype == torch.float32
    assert field.grid(3).dtype == torch.float32
    field.double()
    assert field.points_dtype == torch.float64
    assert field.grid(3).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.complex64, torch.int64])
def test_points_have_the_dtype_of_the_network_whatever_an_unknown_has(dtype: torch.dtype) -> None:
    field = Field()
    field.net = nn.Sequential(field.net)  # registered again, after the unknown
    field.c = nn.Parameter(torch.ones((), dtype=dtype), requires_grad=False)
    assert field.points_dtype == torch.float32
    field.net = nn.Identity()
    field.c = nn.Parameter(torch.ones((), dtype=torch.float64))
    assert field.points_dtype == torch.float64  # the only one


def test_the_grid_holds_the_edge() -> None:
    assert Field().grid(3).tolist() == [[0.0], [2.0], [4.0]]


def test_a_field_without_parameters_has_no_dtype() -> None:
    with pytest.raises(MisconfigurationException, match="`net` of Field must have parameters, got none"):
        _ = Field(nn.Identity()).points_dtype


# Evaluation -----------------------------------------------------------------------------------------------------------


def test_held_out_losses_are_mean_squares_of_the_residuals() -> None:
    losses = Field().held_out_losses({"interior": at(0.0, 1.0), "boundary": at(2.0)})
    assert {part: loss.item() for part, loss in losses.items()} == {"interior": 1.0, "boundary": 49.0}  # -1, 1; 7


def test_batches_of_the_grid_are_compared_with_the_exact_solution() -> None:
    field = Field()  # the error is x^2
    field.validation_step(at(0.0, 1.0), 0)
    field.validation_step(at(2.0), 1)
    found = {name: value.item() for name, value in field.val_metrics.compute().items()}
    assert found == pytest.approx({"val/mse": 17 / 3, "val/linf": 4.0, "val/rel_l2": 1.0})
    assert [dictionary is field.val_metrics for dictionary, _ in field.logged] == [True, True]
    assert not field.logged[0][1]["sync_dist"]  # torchmetrics reduce over processes themselves
    field.test_step(at(3.0), 0)
    assert field.test_metrics.compute()["test/mse"].item() == 81.0
    assert field.logged[-1][0] is field.test_metrics


def test_only_reported_fields_count() -> None:
    class Two(Field):
        fields = ("u", "v")
        reported = ("v",)

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([100 * x, x], dim=1)

        def exact(self, x: Tensor) -> Tensor:
            return torch.cat([0 * x, x + 3], dim=1)

    field = Two()
    field.validation_step(at(0.0, 1.0), 0)
    assert field.val_metrics.compute()["val/linf"].item() == 3.0


def test_batches_with_a_solution_are_compared_with_it() -> None:
    field = Field(reference=(at(0.0, 1.0), at(5.0, 6.0)))
    x = at(1.0, 2.0)
    for batch in ((x, field(x) + 2), [x.double(), field(x).double() + 2]):  # of Lightning's, or of a loader
        field.validation_step(batch, 0)
    found = {name: value.item() for name, value in field.val_metrics.compute().items()}
    assert found["val/mse"] == 4.0
    assert not field.logged[0][1]["sync_dist"]


def test_only_fields_of_the_reference_are_compared() -> None:
    class Two(Field):
        fields = ("u", "v")

    assert Two().compared == ("u", "v")
    assert Two(reference=(at(0.0), {"v": at(1.0)})).compared == ("v",)
    Two.reported = ("u",)
    with pytest.raises(ValueError, match=r"`reference` must have one of the reported fields \('u',\), got \('v',\)"):
        Two(reference=(at(0.0), {"v": at(1.0)}))


@pytest.mark.parametrize(("step", "prefix"), [("validation_step", "val/"), ("test_step", "test/")])
def test_held_out_points_are_evaluated_by_their_losses(step: str, prefix: str) -> None:
    field = Field()
    with torch.inference_mode():
        batch = {"interior": at(0.0, 1.0), "boundary": at(2.0)}
        getattr(field, step)(batch, 0)
    ((dictionary, options),) = field.logged
    assert {name: loss.item() for name, loss in dictionary.items()} == {
        f"{prefix}loss/interior": 1.0,
        f"{prefix}loss/boundary": 49.0,
        f"{prefix}loss": 50.0,
    }
    assert not any(loss.requires_grad for loss in dictionary.values())
    assert options["sync_dist"]


def test_held_out_residuals_may_differentiate_by_themselves_in_inference_mode() -> None:
    class ByHand(Field):
        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            x = points["interior"].requires_grad_()
            return {"pde": torch.autograd.grad(self(x).sum(), x, create_graph=True)[0]}  # 4 x

    field = ByHand()
    with torch.inference_mode():
        field.validation_step({"interior": at(1.0, 2.0)}, 0)
    assert field.logged[0][0]["val/loss"].item() == (16 + 64) / 2


def test_predictions_are_the_fields() -> None:
    assert Field().predict_step(at(1.0, 2.0), 0).tolist() == [[2.0], [8.0]]


@pytest.mark.parametrize(
    ("batch", "options", "expected"),
    [
        ({"interior": at(1.0, 2.0), "boundary": at(1.0)}, {}, 1),
        ({"interior": at(1.0, 2.0), "boundary": at(1.0)}, {"batch_size": 5}, 5),
        ({"interior": at(1.0)}, {}, None),  # Lightning finds it
    ],
)
def test_parts_of_different_sizes_count_as_one(
    batch: Any, options: dict[str, int], expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Any] = []
    monkeypatch.setattr(LightningModule, "log", lambda self, *_, **kwargs: found.append(kwargs.get("batch_size")))
    field = Field()
    field.__dict__["_trainer"] = SimpleNamespace(_results=SimpleNamespace(batch=batch))
    field.log("mine", 1.0, **options)
    assert found == [expected]


# In training ----------------------------------------------------------------------------------------------------------


def test_a_module_without_residuals_says_so(tmp_path: Path) -> None:
    class Empty(PINNModule):
        domain = Decay.domain

    with pytest.raises(MisconfigurationException, match=r"`PINNModule` must be a subclass .* with a class attribute"):
        PINNModule()
    with pytest.raises(NotImplementedError, match=r"`Empty` must define `residuals"):
        fit(Empty(), tmp_path, points(Decay()), max_steps=1)


def test_hard_constraints_by_overriding_forward(tmp_path: Path) -> None:
    class Hard(Decay):
        def forward(self, x: Tensor) -> Tensor:
            return 1 + x * self.net(x)

    module = seeded(Hard)
    assert module.derivative_mode == "reverse"
    fit(module, tmp_path, points(Decay()), max_steps=3)
    torch.testing.assert_close(module(torch.zeros(1, 1)), torch.ones(1, 1))


def test_validate_test_and_predict(tmp_path: Path) -> None:
    module = seeded()
    trainer = fit(module, tmp_path, max_steps=2)
    data = points(module, eval_batch_size=30)
    assert trainer.validate(module, data, verbose=False)[0].keys() >= {"val/mse", "val/linf", "val/rel_l2"}
    assert trainer.test(module, data, verbose=False)[0].keys() >= {"test/mse", "test/linf", "test/rel_l2"}
    fields = torch.cat(trainer.predict(module, data))
    torch.testing.assert_close(fields, module(module.grid(100)))


def test_derivatives_work_in_inference_mode(tmp_path: Path) -> None:
    class WithResiduals(Decay):
        def validation_step(self, batch: Tensor, batch_idx: int) -> None:
            (u_x,) = self.partials(batch, "x")
            self.log("val/slope", u_x.abs().mean())

    for mode in ("taylor", "reverse"):
        module = seeded(WithResiduals, derivatives=mode)
        data = points(Decay())
        trainer = fit(module, tmp_path, data, max_steps=2)
        assert trainer.validate(module, data, verbose=False)[0]["val/slope"] > 0


# Loading --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def last(tmp_path: Path) -> Path:
    fit(Decay(), tmp_path, max_steps=1).save_checkpoint(tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


def test_a_checkpoint_is_loaded_with_the_class_that_was_trained(last: Path) -> None:
    with pytest.raises(MisconfigurationException, match="A checkpoint is loaded with the class it was trained with"):
        PINNModule.load_from_checkpoint(last)


def test_other_errors_of_loading_pass(last: Path) -> None:
    class Raises(Decay):
        def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            raise RuntimeError("of the user")

    with pytest.raises(RuntimeError, match="of the user"):
        Raises.load_from_checkpoint(last)


def test_what_is_not_plain_must_be_given_again(tmp_path: Path, last: Path) -> None:
    own = Decay(net=MLP(1, 1, [5]))
    callbacks = [ModelCheckpoint(tmp_path / "own", save_last=True)]
    fit(own, tmp_path, points(own), max_steps=1, enable_checkpointing=True, callbacks=callbacks)
    path = tmp_path / "own" / "last.ckpt"
    loaded = Decay.load_from_checkpoint(path, net=MLP(1, 1, [5]), weights_only=True)
    x = torch.rand(3, 1)
    assert torch.equal(loaded(x), own(x))
    with pytest.raises(MisconfigurationException, match=r"`net\.0\.out_features` .*, 5, got 8\. .*net=\.\.\."):
        Decay.load_from_checkpoint(path)
    older = torch.load(path, weights_only=True)
    del older["lightning_autobalance"]["record"]
    torch.save(older, path)
    with pytest.raises(
        MisconfigurationException, match=r"(?s)pass those that it was trained with.*net=\.\.\..*size mism"
    ):
        Decay.load_from_checkpoint(path)
    with pytest.raises(MisconfigurationException, match="must come from `Other`, got one of `Decay`"):
        type("Other", (Decay,), {}).load_from_checkpoint(last)
