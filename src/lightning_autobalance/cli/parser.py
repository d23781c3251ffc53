"""A parser whose errors are one line that names the mistake and suggests what was meant."""

import re
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, NoReturn

import torch
from jsonargparse import Namespace
from lightning.pytorch import Callback
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.loggers import Logger
from torch.optim.lr_scheduler import LRScheduler

from lightning_autobalance.cli.printed_defaults import filled
from lightning_autobalance.module import PINNModule
from lightning_autobalance.optim.finish import Finisher
from lightning_autobalance.points import Sampler

NOISE = (  # lines of jsonargparse's messages that say nothing about the mistake
    r"Does not validate against any|^\s*Subtypes:|^\s*Errors:|Expected a <class 'NoneType'>|Given value|"
    r"Expected a path but"
)
TYPES = r"Type collections\.abc\.Callable\[.*\] expects a function or a callable class: | Got value: Namespace\(.*\)$"
REMOVED = {  # names that older configurations have, and what to write instead
    "DeviceUniform": "it was removed. Write Uniform, which draws other points of the same distribution.",
}


class OneLineParser(LightningArgumentParser):
    """A parser that prints errors without a page of usage before them, and suggests names."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Report a mistake in the command line or YAML, and exit with status 2."""
        super().error(_condensed(message) + _suggestion(message, self), ex)

    def dump(self, namespace: Namespace, *args: Any, **kwargs: Any) -> str:
        """A configuration as text; for `--print_config`, with what is used by default in place of null."""
        if _is_printing(self) and not kwargs.get("skip_default"):
            namespace = filled(namespace, _class_of(namespace.get("model.class_path")))
        text: str = super().dump(namespace, *args, **kwargs)
        return text

    def print_usage(self, *args: Any, **kwargs: Any) -> None:
        """Print the usage, but not before an error."""
        if (args[0] if args else kwargs.get("file")) is not sys.stderr:
            super().print_usage(*args, **kwargs)


def _is_printing(parser: Any) -> bool:
    while parser is not None:
        if hasattr(parser, "print_config"):  # set by jsonargparse
            return True
        parser = getattr(parser, "parent_parser", None)
    return False


def _class_of(path: str | None) -> type | None:
    room, _, name = (path or "").rpartition(".")
    found = getattr(sys.modules.get(room), name, None)  # it was imported to be parsed
    return found if isinstance(found, type) else None


def _condensed(message: str) -> str:
    """A message of jsonargparse without the lines about its types rather than about the mistake."""
    message = re.sub(TYPES, "", message, flags=re.MULTILINE)
    kept = [line for line in message.splitlines() if line.strip() and not re.search(NOISE, line)]
    return "\n".join(kept) if kept else message


def _suggestion(message: str, parser: LightningArgumentParser) -> str:
    message = message.strip()
    for name, remedy in REMOVED.items():
        if re.search(rf"\b{name}\b", message):
            return f": {remedy}"
    if wrong := re.search(r"Expected a dot import path string: ([\w.]+)$", message, re.MULTILINE):
        bases = (PINNModule, torch.nn.Module, torch.optim.Optimizer, Finisher, Sampler, LRScheduler, Callback, Logger)
        known = sorted({child.__name__ for base in bases for child in _subclasses(base)})
        close = get_close_matches(wrong.group(1), known, n=3)
        return f" is no class that is imported. {_did_you_mean(close)}Write a full path, such as my_pde.MyPDE."
    if wrong := re.search(r"^[Oo]ption '([\w.]+)' is not accepted\W*$", message, re.MULTILINE):
        known = _options(parser)
        return f". {_did_you_mean(get_close_matches(wrong.group(1), known, n=3))}Valid are: {', '.join(known)}"
    unknown = r"[Uu]nrecognized arguments: --([\w.]+)|Subcommand '\w+' does not accept option '([\w.]+)'"
    if wrong := re.search(unknown, message):
        subparsers = getattr(getattr(parser, "_subcommands_action", None), "_name_parser_map", {"": parser})
        known = sorted({option for subparser in subparsers.values() for option in _options(subparser)})
        name = wrong.group(1) or wrong.group(2)
        close = get_close_matches(name, known, n=3) or get_close_matches(name.split(".")[0], known, n=1)
        return f". {_did_you_mean(close)}".rstrip()
    return ""


def _did_you_mean(close: list[str]) -> str:
    return f"Did you mean {' or '.join(close)}? " if close else ""


def _options(parser: LightningArgumentParser) -> list[str]:
    return [action.dest for action in parser._actions if not re.search(r"help$|^print_|^config$", action.dest)]


def _subclasses(cls: type) -> Iterator[type]:
    child: type
    for child in cls.__subclasses__():
        yield child
        yield from _subclasses(child)
