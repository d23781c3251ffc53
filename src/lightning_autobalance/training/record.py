"""What a run consists of, as plain values in its checkpoints: classes and arguments of its parts."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import SWALR

from lightning_autobalance.points import Domain, Reference
from lightning_autobalance.training.hyperparameters import PARTS, is_plain
from lightning_autobalance.utils.plain import plain

CHECKPOINT_KEY = "lightning_autobalance"
Entry: TypeAlias = dict[str, Any]
"""``class`` and plain ``arguments`` of an object."""


def describe(part: object) -> Entry:
    """The class of an object, and those arguments of its constructor that it keeps and that are plain.

    Functions, such as an activation, are described by their names.
    """
    names = inspect.signature(type(part).__init__).parameters
    arguments: dict[str, Any] = {}
    for name, value in vars(part).items():
        if inspect.isroutine(value) and not name.startswith("_"):
            arguments[name] = f"{value.__name__}()"
        elif name in names and is_plain(value := plain(value)):
            arguments[name] = value
    return {"class": type(part).__qualname__, "arguments": arguments}


def describe_modules(module: nn.Module | None) -> dict[str, Entry]:
    """`describe` for a network and all its parts, by name; the name of the network itself is empty."""
    if module is None:
        return {}
    return {name: describe(part) for name, part in module.named_modules(remove_duplicate=False)}


def describe_optimizer(optimizer: Optimizer) -> Entry:
    """The class of an optimizer and its defaults."""
    wrapped = getattr(optimizer, "wrapped", None)
    name = type(optimizer).__qualname__ + (f" around {wrapped.__qualname__}" if isinstance(wrapped, type) else "")
    defaults = {name: plain(value) for name, value in optimizer.defaults.items()}
    return {
        "class": name,
        "arguments": {name: value for name, value in defaults.items() if is_plain(value)},
        "whole": all(map(is_plain, defaults.values())),
    }


def describe_scheduler(scheduler: object, interval: str) -> str:
    """The class of a schedule, of its parts, and when it is stepped, as text."""
    parts = [type(part).__qualname__ for part in getattr(scheduler, "_schedulers", ())]
    inner = f" of {', '.join(parts)}" if parts else ""
    return f"{type(scheduler).__qualname__}{inner}, stepped once per {interval}"


def describe_domain(domain: Domain) -> Entry:
    """The class of a domain, its coordinates, bounding box and arguments."""
    box: dict[str, Any] = {"coordinates": domain.coordinates, "bounds": domain.bounds}
    if domain.given_names:
        box["given_names"] = domain.given_names
    found = describe(domain)
    return {**found, "arguments": {**found["arguments"], **plain(box)}}


def describe_reference(reference: Reference | None) -> dict[str, str] | None:
    """Where a reference solution is from, and the fingerprint of its numbers; None if there is none."""
    return None if reference is None else {"source": reference.source, "fingerprint": reference.fingerprint}


def make_record(module: Any, trainer: Any) -> dict[str, Any]:
    """The record of a `PINNModule` in training.

    Args:
        module: The module.
        trainer: Its Trainer; None leaves out optimizer, schedule and precision.
    """
    record: dict[str, Any] = {
        "net": describe_modules(module.net),
        "balancer": describe_modules(module.balancer),
        "variant": describe_modules(module.variant),
        "domain": describe_domain(module.domain),
        "objects": objects_given(module),
    }
    if trainer is not None:
        record["optimizers"] = [describe_optimizer(optimizer) for optimizer in trainer.optimizers]
        record["optimized"] = optimized(module, trainer.optimizers)
        record["requires_grad"] = [name for name, p in module.named_parameters() if p.requires_grad]
        configs = module._schedules.given
        record["schedulers"] = [describe_scheduler(config.scheduler, config.interval) for config in configs]
        record["swa"] = any(isinstance(config.scheduler, SWALR) for config in trainer.lr_scheduler_configs)
        record["total_steps"] = module.variant.total_steps
        record["precision"] = str(trainer.precision_plugin.precision)
        record["resample_every"] = getattr(trainer.datamodule, "resample_every", None)
        if module.reference is None or module.reference.is_read:
            record["reference"] = describe_reference(module.reference)
    return record


def optimized(module: Any, optimizers: Sequence[Optimizer]) -> list[str]:
    """Names of the parameters that the optimizers hold: a frozen one is not among them."""
    held = {p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    return [name for name, p in module.named_parameters() if p in held]


def objects_given(module: Any) -> list[str]:
    """Names of the arguments that a checkpoint of a `PINNModule` cannot hold, and of which it knows nothing else."""
    added = [name for name, value in module.hparams.items() if not is_plain(plain(value))]  # by a subclass
    known = {*PARTS, "optimizer", "scheduler", "reference"}
    return [name for name in dict.fromkeys((*module.unsaved_arguments, *added)) if name not in known]


def difference(
    saved: Mapping[str, Entry], mine: Mapping[str, Entry], label: str, *, arguments: bool = True
) -> tuple[str, str, str] | None:
    """The first difference of two descriptions: what differs, the saved value, and mine.

    Args:
        saved: By name of the part.
        mine: By name of the part.
        label: What they describe.
        arguments: Whether to compare arguments, those that both have.
    """
    for name in dict.fromkeys([*saved, *mine]):
        where = f"{label}.{name}" if name else label
        one, other = saved.get(name), mine.get(name)
        if one is None or other is None or one["class"] != other["class"]:
            return where, one["class"] if one else "nothing", other["class"] if other else "nothing"
        for argument in one["arguments"].keys() & other["arguments"].keys() if arguments else ():
            a, b = _as_lists(one["arguments"][argument]), _as_lists(other["arguments"][argument])
            if a != b:
                return f"{where}.{argument}", str(a), str(b)
    return None


def remake(entry: Entry, rooms: Sequence[Any]) -> Callable[..., Optimizer] | None:
    """A function from parameters to an optimizer as recorded; None if that cannot be made from plain values.

    Args:
        entry: From `describe_optimizer`.
        rooms: Packages in which its class is looked up by name, such as ``torch.optim``; nothing is imported.
    """
    found = next((getattr(room, entry["class"]) for room in rooms if hasattr(room, entry["class"])), None)
    if not entry["whole"] or not isinstance(found, type) or not issubclass(found, Optimizer):
        return None
    kind: Callable[..., Optimizer] = found
    names = inspect.signature(found.__init__).parameters
    arguments = {name: value for name, value in entry["arguments"].items() if name in names}
    return lambda params: kind(params, **arguments)


def _as_lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_lists(item) for key, item in value.items()}
    return [_as_lists(item) for item in value] if isinstance(value, list | tuple) else value
