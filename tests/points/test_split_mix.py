"""Random numbers as a function of a counter."""

import pytest
import torch

from lightning_autobalance.points.split_mix import split_mix, uniform

M = (1 << 64) - 1
PUBLISHED = [  # of seed 1234567, as the generator's other implementations give them
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def by_python(seed: int, number: int) -> int:
    """The same in whole numbers without a limit."""
    z = (seed + 0x9E3779B97F4A7C15 * (number + 1)) & M
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M
    return z ^ (z >> 31)


def seeds(*values: int) -> torch.Tensor:
    return torch.tensor([value - (value >> 63 << 64) for value in values])


def test_published_numbers() -> None:
    found = [int(split_mix(seeds(1234567), torch.tensor(i))) & M for i in range(5)]
    assert found == PUBLISHED


@pytest.mark.parametrize("number", [0, 1, 29_999, 2**31 - 1, 2**40])
def test_all_64_bits_count(number: int) -> None:
    values = [0, 1, 2**31, 2**63 - 1, 2**63, M, 0x123456789ABCDEF0]
    found = split_mix(seeds(*values), torch.tensor(number))
    assert [int(x) & M for x in found] == [by_python(value, number) for value in values]


def test_uniform_numbers_are_the_upper_bits() -> None:
    values = [0, 1, 2**63, M]
    found = uniform(seeds(*values), torch.tensor(7))
    assert found.dtype == torch.float64
    assert found.tolist() == [(by_python(value, 7) >> 11) / 2**53 for value in values]


def test_uniform_numbers_look_uniform_along_seeds_and_along_draws() -> None:
    n = 200_000
    along_seeds = uniform(torch.arange(n) * 7919, torch.tensor(3))
    along_draws = uniform(torch.full((n,), 42), torch.arange(n))
    for found in (along_seeds, along_draws):
        assert 0 <= found.min() < found.max() < 1
        assert abs(float(found.mean()) - 0.5) < 5 / (12 * n) ** 0.5
        counts = torch.histc(found, bins=100, min=0, max=1)
        assert float(((counts - n / 100) ** 2 / (n / 100)).sum()) < 99 + 5 * (2 * 99) ** 0.5  # chi squared, 5 sigma
        assert abs(float(torch.corrcoef(torch.stack([found[1:], found[:-1]]))[0, 1])) < 5 / n**0.5
