"""The randomness of a face: a pure function of seed, part, face and draw."""

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from lightning_autobalance.points.streams import ALL_DRAWS, Stream

STREAM = Stream(seed=3, part="interior", face=1)
PINNED = [0.4318413496322059, 0.9300013570066544, 0.7103027328517549]


def numbers(stream: Stream, *draw: int) -> list[float]:
    return stream.generator(*draw).random(3).tolist()


def test_a_draw_is_that_of_pcg64_with_these_seeds() -> None:
    expected = np.random.Generator(np.random.PCG64([3, crc32(b"interior"), 5, 1])).random(3).tolist()
    assert numbers(STREAM, 5) == expected
    assert numbers(STREAM, 5) == expected  # a fresh generator each time


def test_the_points_of_a_seed_stay_the_same_from_version_to_version() -> None:
    assert numbers(STREAM, 5) == pytest.approx(PINNED, rel=1e-15)


@pytest.mark.parametrize("change", [{"seed": 4}, {"part": "boundary"}, {"face": 2}], ids=str)
def test_another_stream_has_other_numbers(change: dict[str, int | str]) -> None:
    assert numbers(replace(STREAM, **change), 5) != numbers(STREAM, 5)  # type: ignore[arg-type]


def test_each_draw_has_its_own_numbers_and_so_has_what_all_draws_share() -> None:
    drawn = [numbers(STREAM, 0), numbers(STREAM, 1), numbers(STREAM)]
    assert len({tuple(draw) for draw in drawn}) == 3
    assert numbers(STREAM) == numbers(STREAM, ALL_DRAWS)
