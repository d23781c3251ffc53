"""What is left out of Lightning's output, and what is not."""

import logging

import pytest
from lightning.pytorch.utilities import rank_zero_info

from lightning_autobalance.cli.noise import without_noise


@pytest.mark.parametrize(
    ("message", "heard"),
    [
        ("💡 Tip: For seamless cloud logging, try installing [litlogger]", False),
        ("TPU available: False, using: 0 TPU cores", False),
        ("GPU available: False, used: False", False),
        ("GPU available: True (cuda), used: True", True),
        ("`Trainer.fit` stopped: `max_steps=300` reached.", False),
        ("Time limit reached. Elapsed time is 0:01:00. Signaling Trainer to stop.", True),
    ],
)
def test_noise(message: str, heard: bool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        with without_noise():
            rank_zero_info(message)
        assert (message in caplog.messages) == heard
        rank_zero_info(message)
    assert message in caplog.messages
