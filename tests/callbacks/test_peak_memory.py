"""The memory of this process."""

import pytest
import torch

from lightning_autobalance.callbacks import peak_memory as room


def test_it_is_that_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    before = room.peak_memory(torch.device("cpu"))
    assert 100 * 2**20 < before < 20_000 * 2**20
    block = torch.ones(int(before / 2**20 + 64), 2**18)  # float32: more than all that was used so far
    assert room.peak_memory(torch.device("cpu")) > before
    del block
    monkeypatch.delattr(room, "resource")
    assert room.peak_memory(torch.device("cpu")) == 0
