"""`--print_config` shows what a run uses where the configuration leaves it open."""

import inspect
from typing import Any

from jsonargparse import Namespace

from lightning_autobalance.field import NeuralField
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.points import Uniform
from lightning_autobalance.training.hyperparameters import is_plain
from lightning_autobalance.variants import MeanSquares

SET_BY_OTHERS = ("params",)


def filled(config: Namespace, problem: type | None) -> Namespace:
    """A copy of a configuration with the parts that are used by default, and their own options.

    What stays null is not used by default (``scheduler``, ``finish``, ``balancer``), or is chosen by the run
    (``data.seed``). A network that the problem makes itself stays null, too.

    Args:
        config: Of a subcommand.
        problem: The class of the module; None where it cannot be imported.
    """
    config = config.clone()
    arguments = config.get("model.init_args")
    if isinstance(arguments, Namespace):
        for name, part in {"optimizer": AutoAdamW, "variant": MeanSquares}.items():
            if name in arguments and arguments[name] is None:
                arguments[name] = _written(part)
        if "net" in arguments and arguments.net is None and (sizes := _sizes_of_default(problem, arguments)):
            arguments.net = _written(MLP, in_features=sizes[0], out_features=sizes[1], hidden=[50, 50, 50])
    if isinstance(data := config.get("data"), Namespace) and "sampler" in data and data.sampler is None:
        data.sampler = _written(Uniform)
    return config


def _written(part: type, **given: Any) -> Namespace:
    signature = inspect.signature(part)
    options = {name: x.default for name, x in signature.parameters.items() if x.default is not inspect.Parameter.empty}
    own = {name: list(x) if isinstance(x, tuple) else x for name, x in options.items() if name not in SET_BY_OTHERS}
    name = f"{part.__module__}.{part.__qualname__}"
    written: dict[str, Any] = {"class_path": name}
    if own:
        written["init_args"] = Namespace(**own | given)  # type: ignore[no-untyped-call]
    return Namespace(**written)  # type: ignore[no-untyped-call]


def _sizes_of_default(problem: type | None, arguments: Namespace) -> tuple[int, int] | None:
    """Numbers of coordinates and fields, if the network is that of every problem."""
    if problem is None or not issubclass(problem, PINNModule) or problem.default_net is not NeuralField.default_net:
        return None
    plain = {name: x for name, x in vars(arguments).items() if x is not None and is_plain(x)}
    try:
        made = problem(**plain)
    except Exception:  # whatever its own constructor refuses, the run will say better
        return None
    return len(made.domain.coordinates), len(made.fields)
