"""Names of derivatives, such as "xx+yy", as multi-indices, and the derivatives that they need."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

Index = tuple[int, ...]  # the columns a field is differentiated by, sorted; () is the field itself
Stream = tuple[Index, ...]  # a sum of derivatives of one order, which travels as one

SPACE = "xyz"


def parse(names: Sequence[str], d: int, coordinates: Sequence[str] | None = None) -> list[Stream]:
    """Names of derivatives as streams.

    Args:
        names: "" for the field, "x", "xy", ...; "xx+yy" for a sum of derivatives of one order.
        d: Number of coordinates.
        coordinates: A word of letters per coordinate. By default x, y, z are the first three and t is the last.

    Returns:
        One stream per name.

    Raises:
        ValueError: If a name cannot be read.
    """
    columns = _columns(names, d, coordinates)
    return [_stream(name, columns) for name in names]


def _columns(names: Sequence[str], d: int, coordinates: Sequence[str] | None) -> dict[str, int]:
    if coordinates is not None:
        if len(coordinates) != d or len(set(coordinates)) != d or not all(c.isalpha() for c in coordinates):
            raise ValueError(
                f"`coordinates` must be {d} different words of letters, one per column, got {tuple(coordinates)}."
            )
        return {c: i for i, c in enumerate(coordinates)}
    columns = {c: i for i, c in enumerate(SPACE[:d])}
    if any("t" in name for name in names):
        columns = {c: i for c, i in columns.items() if i < d - 1} | {"t": d - 1}
    return columns


def _stream(name: str, columns: dict[str, int]) -> Stream:
    parts = [_index(part, name, columns) for part in name.split("+")]
    if len({len(part) for part in parts}) > 1:
        raise ValueError(f"`names` must add derivatives of one order, got {name!r}. Ask for each by itself.")
    return tuple(sorted(parts))


def _index(part: str, name: str, columns: dict[str, int]) -> Index:
    """The columns that a product of coordinates names, the longest name first: "xnu" is x, then nu."""
    found: list[int] = []
    while part:
        fits = [coordinate for coordinate in columns if part.startswith(coordinate)]
        if not fits:
            raise ValueError(
                f"`names` must use the coordinates {', '.join(columns)}, got {part[0]!r} in {name!r}. Without "
                "`coordinates`, x, y, z are the first columns and t is the last."
            )
        longest = max(fits, key=len)
        found.append(columns[longest])
        part = part[len(longest) :]
    return tuple(sorted(found))


@dataclass(frozen=True)
class Plan:
    """The streams that must travel through a network so that the wanted ones come out.

    Args:
        streams: All of them: first the field, then first derivatives, then the rest.
        order: The highest order among them.
        complete: Whether every derivative that a chain rule of them needs is among them.
    """

    streams: tuple[Stream, ...]
    order: int
    complete: bool = True

    @classmethod
    def of(cls, wanted: Sequence[Stream]) -> "Plan":
        """The wanted streams and every derivative that their chain rules need."""
        streams: set[Stream] = {((),)} | set(wanted)
        for stream in wanted:
            for index in stream:
                for size in range(1, len(index)):
                    streams |= {(part,) for part in combinations(index, size)}
        ordered = sorted(streams, key=lambda s: (len(s[0]), s))
        return cls(tuple(ordered), len(ordered[-1][0]))

    @property
    def firsts(self) -> tuple[Stream, ...]:
        """Its first derivatives, and sums of them."""
        return tuple(s for s in self.streams if len(s[0]) == 1)

    def without_firsts(self) -> "Plan":
        """The same without first derivatives, for where only linear layers follow."""
        return Plan(tuple(s for s in self.streams if len(s[0]) != 1), self.order, complete=not self.firsts)


def partitions(index: Index) -> list[list[Index]]:
    """All ways to split the positions of a multi-index into non-empty blocks.

    Args:
        index: Such as (0, 0, 1).

    Returns:
        The blocks of each partition, as multi-indices; equal partitions appear as often as they occur.
    """
    if not index:
        return [[]]
    first, rest = index[:1], index[1:]
    found: list[list[Index]] = []
    for blocks in partitions(rest):
        found.append([first, *blocks])
        found.extend([*blocks[:i], tuple(sorted(first + block)), *blocks[i + 1 :]] for i, block in enumerate(blocks))
    return found


def chain_rule(stream: Stream) -> dict[int, Counter[tuple[Index, ...]]]:
    """The products of lower derivatives in the chain rule of a stream, by the order of the outer derivative.

    Args:
        stream: Such as ((0, 0), (1, 1)), which gives {2: {((0,), (0,)): 1, ((1,), (1,)): 1}}.

    Returns:
        From order 2 on: the factors of each product, and how often it occurs. The term of order 1 is the outer first
        derivative times the stream itself.
    """
    found: dict[int, Counter[tuple[Index, ...]]] = {}
    for index in stream:
        for blocks in partitions(index):
            if len(blocks) > 1:
                found.setdefault(len(blocks), Counter())[tuple(sorted(blocks))] += 1
    return found


def splits(stream: Stream) -> Counter[tuple[Index, Index]]:
    """All ways to split the positions of the multi-indices of a stream in two, neither part empty.

    Args:
        stream: Such as ((0, 0), (1, 1)).

    Returns:
        The two parts, and how often each pair occurs.
    """
    found: Counter[tuple[Index, Index]] = Counter()
    for index in stream:
        for size in range(1, len(index)):
            for chosen in combinations(range(len(index)), size):
                rest = (i for i in range(len(index)) if i not in chosen)
                found[tuple(index[i] for i in chosen), tuple(index[i] for i in rest)] += 1
    return found
