"""How a shape is written."""

import pytest

from lightning_autobalance.points.writing import names_written, number, written


@pytest.mark.parametrize(
    ("value", "text"), [(2.0, "2"), (0.1, "0.1"), (-1e-20, "-1e-20"), (1 / 3, "0.3333333333333333"), (1e6, "1000000")]
)
def test_a_number_has_few_digits_that_give_it_back(value: float, text: str) -> None:
    assert number(value) == text
    assert float(text) == value


def test_tuples() -> None:
    assert written(0, 1.5) == "(0, 1.5)"
    assert written(2) == "(2,)"


@pytest.mark.parametrize(
    ("aliases", "text"),
    [
        ({}, ""),
        ({"wall": "boundary"}, ".named('wall')"),
        ({"inlet": "left", "wall": "boundary"}, ".named('wall', left='inlet')"),
        ({"floor": "y=0"}, ".named(**{'y=0': 'floor'})"),
    ],
)
def test_names(aliases: dict[str, str], text: str) -> None:
    assert names_written(aliases) == text
