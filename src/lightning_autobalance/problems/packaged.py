"""What ready problems bring along or make only when it is asked for."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning_autobalance.points import Domain

FOLDER = Path(__file__).parent / "references"


def packaged(name: str) -> Mapping[str, Any]:
    """The reference solution that comes with the package, as ``default_reference`` of a problem.

    Its error stands in ``problems/references/errors.json``, its solver in ``benchmarks/references`` of the repository.

    Args:
        name: Of the problem, in snake case.
    """
    return {"file": str(FOLDER / f"{name}.npz")}


class _Later:
    """A class attribute that is made when it is first read."""

    def __init__(self, make: Callable[[], Domain]) -> None:
        self._make = make
        self._made: Domain | None = None

    def __get__(self, instance: object, owner: type) -> Domain:
        if self._made is None:
            self._made = self._make()
        return self._made


def later(make: Callable[[], Domain]) -> Any:
    """A ``domain`` that is made when it is first read, so that importing a problem does not need shapely.

    Args:
        make: Called once.
    """
    return _Later(make)
