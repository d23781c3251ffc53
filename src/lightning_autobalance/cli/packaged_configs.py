"""The configurations that come with the package: `--config @helmholtz_2d`, and the command `configs`."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from shutil import copyfile

FOLDER = Path(__file__).parents[1] / "configs"
OPTIONS = ("--config", "-c")


def packaged() -> dict[str, Path]:
    """Every configuration by its name, such as ``helmholtz_2d`` or ``method/pc_grad``."""
    return {path.relative_to(FOLDER).with_suffix("").as_posix(): path for path in sorted(FOLDER.rglob("*.yaml"))}


def find(name: str) -> Path:
    """The file of a name; capitals, `_`, `-` and `.yaml` do not count, nor does the folder of a method.

    Args:
        name: Without the `@`, such as ``method/PCGrad`` or ``pcgrad``.

    Raises:
        ValueError: If there is none, or there are several.
    """
    known = packaged()
    wanted = _plain(name)
    found = [path for key, path in known.items() if _plain(key) == wanted]
    found = found or [path for key, path in known.items() if _plain(key.rpartition("/")[2]) == wanted]
    if len(found) == 1:
        return found[0]
    close = get_close_matches(name, [*known, *(key.rpartition("/")[2] for key in known)])
    meant = [path.relative_to(FOLDER).with_suffix("").as_posix() for path in found] or close
    hint = f" Did you mean {' or '.join(f'@{each}' for each in meant)}?" if meant else ""
    raise ValueError(
        f"`--config` must be a file, or `@` and the name of a configuration of the package, got @{name}.{hint} "
        "`lightning-autobalance configs` lists them."
    )


def resolve(line: Sequence[str]) -> list[str]:
    """A command line with the files of the package in place of their names.

    Args:
        line: The command line without the program's name.

    Raises:
        ValueError: If a name is unknown.
    """
    words: list[str] = []
    for word in line:
        option, equals, value = word.partition("=")
        if word.startswith("@") and words and words[-1] in OPTIONS:
            words.append(str(find(word[1:])))
        elif equals and option in OPTIONS and value.startswith("@"):
            words.append(f"{option}={find(value[1:])}")
        else:
            words.append(word)
    return words


def main(args: list[str]) -> None:
    """List the configurations of the package, or copy one; on an error, exit with status 2.

    Args:
        args: The words after ``configs`` on the command line.
    """
    parser = ArgumentParser(
        prog="lightning-autobalance configs",
        description="List the configurations of the package, for `fit --config @NAME`; or copy one, to change it.",
    )
    commands = parser.add_subparsers(dest="command")
    copy = commands.add_parser("copy", help="write a configuration into the current folder")
    copy.add_argument("name", metavar="NAME", help="such as helmholtz_2d or method/pcgrad")
    given = parser.parse_args(args)
    try:
        sys.stdout.write(_copied(given.name) if given.command else _listed())
    except (ValueError, OSError) as error:
        parser.error(str(error))


def _listed() -> str:
    known = packaged()
    width = max(map(len, known)) + 1
    return "".join(f"@{name:<{width}} {_first_sentence(path)}\n" for name, path in known.items())


def _copied(name: str) -> str:
    path = find(name.removeprefix("@"))
    target = Path(path.name)
    if target.exists():
        raise ValueError(f"`{target}` must not exist yet, and it does. Remove it, or go to another folder.")
    copyfile(path, target)
    return f"wrote {target}\n"


def _first_sentence(path: Path) -> str:
    comment = path.read_text().partition("\n")[0].removeprefix("#").strip()
    return comment.partition(". ")[0].rstrip(".,:")


def _plain(name: str) -> str:
    return name.lower().removesuffix(".yaml").replace("_", "").replace("-", "")
