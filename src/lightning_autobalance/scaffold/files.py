"""The files that `lightning-autobalance new` writes, from templates."""

import keyword
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

TEMPLATES = files("lightning_autobalance.scaffold") / "templates"
KINDS = ("stationary", "time", "stationary_inverse", "time_inverse", "geometry", "parametric")
IN_USE = (  # names that the written files import
    "Bounded",
    "Box",
    "Disk",
    "Interval",
    "MLP",
    "PINNModule",
    "ParameterRange",
    "Path",
    "Rectangle",
    "TimeCylinder",
)


def write(
    name: str, folder: Path, kind: str = "stationary", texts: Mapping[str, str] | None = None
) -> tuple[Path, Path, Path]:
    """Write a module, its configuration and its test, without overwriting anything.

    Args:
        name: Name of the module, such as ``my_pde``; its class becomes ``MyPde``.
        folder: Folder to write to; created if it does not exist.
        kind: Of ``KINDS``, or of `MeasuredColumns`.
        texts: What takes the place of words in the templates.

    Returns:
        Paths of the module, the configuration and the test.

    Raises:
        ValueError: If the name is not an identifier, or is taken by a module or by a class that the files use.
        FileExistsError: If one of the files exists.
    """
    _check_name(name)
    templates = {
        folder / f"{name}.py": f"{kind}.py.txt",
        folder / f"{name}.yaml": f"{kind}.yaml.txt",
        folder / f"test_{name}.py": "test.py.txt",
    }
    for file in templates:
        if file.exists():
            raise FileExistsError(f"`{file}` must not be there yet. Choose another name, or another --folder.")
    _check_not_taken(name)
    folder.mkdir(parents=True, exist_ok=True)
    words = {"my_pde": name, "MyPde": class_name(name), **(texts or {})}
    for file, template in templates.items():
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        with file.open("x", encoding="utf-8") as new:
            new.write(re.sub("|".join(words), lambda found: words[found[0]], text))
    module, config, test = templates
    return module, config, test


def class_name(name: str) -> str:
    """The module name in CamelCase: ``my_pde`` becomes ``MyPde``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _check_name(name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"`name` must be a Python identifier, such as my_pde, got {name!r}.")
    made = class_name(name)
    if not made.isidentifier() or keyword.iskeyword(made) or made in IN_USE:
        raise ValueError(f"`name` must give the class a name that is free, got {name!r}, hence {made!r}. Try my_pde.")


def _check_not_taken(name: str) -> None:
    """Refuse the name of an importable module: the new file would shadow it, or be shadowed by it."""
    for module in (name, f"test_{name}"):
        spec = find_spec(module)
        if spec is None or _is_plain_folder(module, spec.submodule_search_locations):
            continue
        where = f" ({spec.origin})" if spec.origin else ""
        raise ValueError(f"`name` must not be that of a module, got {name!r}: {module}{where} is there. Try my_{name}.")


def _is_plain_folder(module: str, locations: Iterable[str] | None) -> bool:
    """Whether the module found is only a folder without ``__init__.py`` in the current one, which shadows nothing."""
    here = Path(module).resolve()
    return (
        locations is not None
        and [Path(location).resolve() for location in locations] == [here]
        and not (here / "__init__.py").exists()
    )
