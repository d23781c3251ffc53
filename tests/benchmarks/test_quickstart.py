"""What the quickstart prints is taken from a run."""

import os
from pathlib import Path

import pytest
import torch

from benchmarks import quickstart

PAGE = """Text.

```python title="a.py"
x = 1
```

```yaml title="a.yaml"
y: 1
```

```bash
lightning-autobalance fit --config a.yaml
```
"""
CONFIG = """trainer: {max_steps: 2}
model: {class_path: ReactionDiffusion1D}
data: {points: {interior: 8, boundary: 4, initial: 4}, eval_points: 100}
"""


def test_titled_blocks_are_files() -> None:
    assert quickstart.files_of(PAGE) == {"a.py": "x = 1\n", "a.yaml": "y: 1\n"}


def test_a_run_prints_its_table_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    threads, columns = torch.get_num_threads(), os.environ.get("COLUMNS")
    lines = quickstart.kept(quickstart.run({"a.yaml": CONFIG}))
    assert lines[0] == "ReactionDiffusion1D with AutoAdamW"
    assert any(line.startswith("│ val/rel_l2 ") for line in lines)
    assert lines[-1].startswith("predict: lightning-autobalance predict --config ")
    texts = [line for line in lines if not line.startswith(("go on:", "predict:"))]  # commands are not broken
    assert max(map(len, texts)) <= 80
    assert list(tmp_path.iterdir()) == []
    assert Path.cwd() == tmp_path
    assert torch.get_num_threads() == threads
    assert os.environ.get("COLUMNS") == columns


def test_time_and_memory_are_left_out() -> None:
    rows = ["┌──┐", "│ time        │ 1 s │", "│ peak memory │ 1 │", "│ steps │ 2 │", "└──┘", "- A."]
    printed = "\n".join(["noise with dots", "", "P with AutoAdamW   ", *rows, ""])
    assert quickstart.kept(printed) == ["P with AutoAdamW", "┌──┐", "│ steps │ 2 │", "└──┘", "- A."]
