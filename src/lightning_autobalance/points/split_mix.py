"""SplitMix64: random numbers as a function of a counter, by operations of torch alone."""

import torch
from torch import Tensor


def _signed(number: int) -> int:
    return number - (number >> 63 << 64)  # torch counts modulo 2**64, too, but has no unsigned multiplication


GAMMA = _signed(0x9E3779B97F4A7C15)
FACTORS = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def split_mix(seeds: Tensor, number: Tensor) -> Tensor:
    """The outputs of SplitMix64 generators at one place of their sequences.

    Args:
        seeds: One generator each, int64, of any shape.
        number: Of the output, from 0, a 0-dim int64 tensor.

    Returns:
        64 random bits each, int64, of the seeds' shape.

    Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; the constants are those
    of Java's and of Vigna's ``splitmix64.c``.
    """
    z = seeds + GAMMA * (number + 1)
    z = (z ^ _shifted(z, 30)) * FACTORS[0]
    z = (z ^ _shifted(z, 27)) * FACTORS[1]
    return z ^ _shifted(z, 31)


def uniform(seeds: Tensor, number: Tensor) -> Tensor:
    """Uniform numbers of a counter, the 53 upper bits of `split_mix`.

    Args:
        seeds: One stream each, int64, of any shape.
        number: Of the draw, from 0, a 0-dim int64 tensor.

    Returns:
        In [0, 1), float64, of the seeds' shape.
    """
    return _shifted(split_mix(seeds, number), 11).to(torch.float64) * 2.0**-53


def _shifted(z: Tensor, bits: int) -> Tensor:
    """To the right, with zeros from the left."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)
