"""Errors in one line, by parsers with an option or two; `test_lightning_cli` has those of whole commands."""

from collections.abc import Callable

import pytest
import torch
from lightning.pytorch.cli import LightningArgumentParser

from lightning_autobalance.cli.parser import REMOVED, OneLineParser
from lightning_autobalance.points import Sampler


def refused(parser: LightningArgumentParser, *words: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(list(words))
    assert stopped.value.code == 2


def parser() -> OneLineParser:
    made = OneLineParser()
    made.add_argument("--max_steps", type=int, default=1)
    made.add_argument("--sampler", type=Sampler | None, default=None)
    made.add_argument("--optimizer", type=Callable[[list[torch.Tensor]], torch.optim.Optimizer], default=None)
    return made


def test_what_is_right_is_parsed() -> None:
    assert parser().parse_args(["--max_steps=3"]).max_steps == 3


def test_an_error_comes_without_a_page_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    refused(parser(), "--max_steps=three")
    said = capsys.readouterr().err
    assert "usage:" not in said
    assert "max_steps" in said
    assert "three" in said


def test_help_still_has_its_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parser().parse_args(["--help"])
    assert stopped.value.code == 0
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("word", "meant"),
    [("--max_stpes=3", "Did you mean max_steps?"), ("--samplre=Uniform", "Did you mean sampler?")],
)
def test_a_mistyped_option_is_answered_by_the_nearest(
    word: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(parser(), word)
    assert meant in capsys.readouterr().err


def test_a_mistyped_class_is_answered_by_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    refused(parser(), "--sampler=Unifrom")
    said = capsys.readouterr().err
    assert "is no class that is imported. Did you mean Uniform" in said
    assert "my_pde.MyPDE" in said
    assert "Does not validate against" not in said


@pytest.mark.parametrize("name", REMOVED)
def test_a_removed_class_is_answered_by_what_took_its_place(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused(parser(), f"--sampler={name}")
    assert REMOVED[name] in capsys.readouterr().err
