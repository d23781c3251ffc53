"""The configuration that a checkpoint of the command line holds: what may be imported from it, and its errors."""

import re
import sys
from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule
from lightning.pytorch.core.saving import CHECKPOINT_PAST_HPARAMS_KEYS

TRUSTED = ("lightning_autobalance", "torch.nn", "torch.optim")  # packages whose classes run no code of a stranger
IMPORTABLE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
TEXTS = ("reference",)  # arguments whose texts are never functions: random.csv is a file, though random is a module
NOISE = re.compile(
    r"Parser key|Does not validate|Subtypes:|Errors:|Problem with given|Expected a <class 'NoneType'>|Given value"
)


def check_imports(checkpoint: Mapping[str, Any], trusted: Collection[str], replaced: Collection[str] = ()) -> None:
    """Check that a stored configuration names no classes of other modules, before anything is imported.

    Args:
        checkpoint: A checkpoint. One that Lightning's command line has not written is not parsed, and imports nothing.
        trusted: Modules that the caller trusts, beside ``TRUSTED``; submodules are included.
        replaced: Arguments that the caller gives in place of the stored ones.

    Raises:
        MisconfigurationException: If it does; names the argument.
    """
    keys = (*CHECKPOINT_PAST_HPARAMS_KEYS, LightningModule.CHECKPOINT_HYPER_PARAMS_KEY)
    arguments = {name: value for key in keys for name, value in dict(checkpoint.get(key, {})).items()}
    if "_instantiator" not in arguments:
        return
    allowed = (*TRUSTED, *(name for name in trusted if name.partition(".")[0] not in TRUSTED))
    for argument, value in arguments.items():
        skipped = argument.startswith("_") or argument in replaced
        for path in () if skipped else _imported(value, texts=argument not in TEXTS):
            if not any(path.startswith(f"{module}.") for module in allowed):
                raise MisconfigurationException(
                    f"`{argument}` in the checkpoint must name classes of {', '.join(allowed)}, got "
                    f"{path!r}, which is not imported, since it may run any code. Pass `{argument}` itself to "
                    "`load_from_checkpoint`, or if you trust that module, "
                    f"`trusted_modules=[{path.rpartition('.')[0]!r}]`."
                )


def configuration_error(error: Exception) -> MisconfigurationException:
    """An error of jsonargparse about a stored configuration, in one line.

    Args:
        error: Names the keys that lead to the argument, and then what is wrong.
    """
    text = str(error)
    names = [name for name in re.findall(r'Parser key "([\w.]+)"', text) if name != "module"]
    lines = [line.strip(" -") for line in text.splitlines() if line.strip() and not NOISE.search(line)]
    label = f"`{names[-1]}`" if names else "The arguments"
    found = lines[-1].rstrip(".") if lines else text.splitlines()[0]
    given = re.findall(r"Given value: (.{1,60})$", text, re.MULTILINE)  # of an argument of several types
    if given and found.startswith("Expected a"):
        found = f"{found}. Got value: {given[-1]}"
    return MisconfigurationException(
        f"{label} in the checkpoint's configuration must be valid here, got: {found}. Relative paths start from the "
        f"current folder. Pass it again, `load_from_checkpoint(path, {names[-1] if names else 'name'}=...)`."
    )


def _imported(value: Any, *, texts: bool) -> Iterator[str]:
    """The import paths in a value: of classes, and ``texts`` that a parser may take for those of functions."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "class_path" and isinstance(item, str) and "." in item:
                yield item
            else:
                yield from _imported(item, texts=texts)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _imported(item, texts=texts)
    elif texts and isinstance(value, str) and IMPORTABLE.fullmatch(value) and _is_module(value.partition(".")[0]):
        yield value


def _is_module(name: str) -> bool:
    return name in sys.modules or find_spec(name) is not None
