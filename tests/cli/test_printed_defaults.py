"""What is filled in where a configuration has null, and what is not."""

from jsonargparse import Namespace

from helpers.toys import Decay, Poisson2D
from lightning_autobalance.cli.printed_defaults import filled
from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Rectangle


class Plain(PINNModule):
    """Two fields, and the network of every problem."""

    domain = Rectangle((0, 1), (0, 1))
    fields = ("u", "v")


def config(**arguments: object) -> Namespace:
    given = {"net": None, "optimizer": None, "variant": None, "scheduler": None} | arguments
    return Namespace(model=Namespace(init_args=Namespace(**given)), data=Namespace(sampler=None))


def test_null_becomes_what_is_used() -> None:
    found = filled(given := config(), Plain)
    own = found.model.init_args
    assert own.optimizer.class_path == "lightning_autobalance.optim.auto_adamw.AutoAdamW"
    assert own.optimizer.init_args.betas == [0.9, 0.999]
    assert (own.net.init_args.in_features, own.net.init_args.out_features) == (2, 2)
    assert own.variant.class_path.endswith("MeanSquares")
    assert found.data.sampler.class_path.endswith("Uniform")
    assert own.scheduler is None
    assert given.model.init_args.optimizer is None  # a copy


def test_what_is_given_stays_and_so_does_a_network_of_the_problems_own() -> None:
    assert filled(config(optimizer="mine"), Plain).model.init_args.optimizer == "mine"
    for problem in (Decay, Poisson2D, None):
        assert filled(config(), problem).model.init_args.net is None
    assert filled(config(no_such_argument=1), Plain).model.init_args.net is None  # refused by its constructor


def test_data_of_ones_own_are_left() -> None:
    assert filled(Namespace(model=None, data=Namespace(mine=1)), None).data == Namespace(mine=1)
