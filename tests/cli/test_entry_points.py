"""The command `lightning-autobalance` answers before anything heavy is imported."""

import pytest

from lightning_autobalance.cli import main


def test_reproduce_names_the_command_that_took_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["reproduce", "table1", "--quick"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        "`reproduce` is not part of the package: run `python -m benchmarks reproduce table1 --quick` in a clone of the "
        "repository.\n"
    )
