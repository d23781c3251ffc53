"""The table of the first-order methods follows from the results file."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import report
from benchmarks.sweeps import read

ROOT = Path(__file__).parents[2]


def result(seed: int, mse: float) -> dict[str, object]:
    return {"problem": "helmholtz_2d", "method": "auto_adamw", "seed": seed, "mse": mse, "linf": 10 * mse}


def test_median_and_range() -> None:
    found = report.table([result(0, 1e-3), result(1, 5e-3), result(2, 4e-2)])
    row = found.splitlines()[2]
    assert "5.00e-03 (1.00e-03 to 4.00e-02)" in row
    assert "5.00e-02 (1.00e-02 to 4.00e-01)" in row
    assert "3 of 3" in row
    assert "2.04e-03, 3.84e-01" in row
    assert len(found.splitlines()) == 3


def test_rewriting_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    for body in ("new", "newer"):
        report.rewrite(page, body)
    assert page.read_text() == f"before\n{report.BEGIN}\nnewer\n{report.END}\nafter\n"
    page.write_text("no markers")
    with pytest.raises(ValueError, match=r"must hold the markers"):
        report.rewrite(page, "x")


def test_the_committed_page_is_what_the_command_writes() -> None:
    text = (ROOT / report.PAGE).read_text()
    written = text.split(report.BEGIN)[1].split(report.END)[0].strip()
    made = f"{report.table(read(ROOT / 'results' / 'main_job.jsonl'))}\n\n{report.speed(ROOT / 'results' / 'speed')}"
    assert written == made.strip()


def test_speed_lines(tmp_path: Path) -> None:
    loop = {"ratio": 1.04, "ratio_range": [1.01, 1.06], "monitor_ratio": 1.01, "monitor_ratio_range": [0.98, 1.03]}
    (tmp_path / "loop.json").write_text(json.dumps(loop))
    assert "1.040x (1.010 to 1.060)" in report.speed(tmp_path)
    assert "against without: 1.010x (0.980 to 1.030)" in report.speed(tmp_path)


def test_the_picture_names_the_method(tmp_path: Path) -> None:
    path, optimizer = tmp_path / "last.ckpt", {"class_path": "lightning_autobalance.AutoSOAP"}
    finish = {"class_path": "lightning_autobalance.optim.finish.LBFGS"}
    for parts, said in [({"finish": finish}, "AutoSOAP and LBFGS"), ({"finish": None}, "AutoSOAP")]:
        torch.save({"hyper_parameters": {"optimizer": optimizer, **parts}, "global_step": 3080}, path)
        assert report.method(path) == f"{said}, 3,080 steps"
