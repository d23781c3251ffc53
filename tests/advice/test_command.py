"""The command line of `advise`."""

from pathlib import Path

import pytest
import yaml

from lightning_autobalance.cli import main

TOY = {
    "trainer": {"max_steps": 10, "accelerator": "cpu"},
    "model": {"class_path": "helpers.toys.Decay"},
    "data": {"points": {"interior": 16, "boundary": 2}},
}


def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.yaml").touch()
    Path("toy.yaml").write_text(yaml.safe_dump({**TOY, "data": {"points": {"interiour": 16}}}))
    for arguments, said in [
        (["--budget=0"], "`--budget` must be above 0 seconds, got 0.0"),
        (["--share=1"], "`--share` must be between 0 and 1, got 1.0"),
        (["--out=there.yaml"], "`--out` must be a new file, got there.yaml"),
        (["--out=nowhere/a.yaml"], "`--out` must be in a folder that can be written, got nowhere/a.yaml"),
        (["--config=toy.yaml"], "interiour"),
    ]:
        with pytest.raises(SystemExit) as stopped:
            main(["advise", *arguments])
        assert stopped.value.code == 2
        assert said in capsys.readouterr().err


@pytest.mark.slow  # docs/how-to/advise.md is run by default
def test_a_toy_is_advised_and_trains_by_the_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("toy.yaml").write_text(yaml.safe_dump(TOY))
    main(["advise", "--config", "toy.yaml", "--budget", "4"])
    assert "train by it: lightning-autobalance fit --config toy.yaml --config advised.yaml" in capsys.readouterr().out
    settings = yaml.safe_load(Path("advised.yaml").read_text())
    assert settings["model"]["init_args"]["weights"]["boundary"] > 10
