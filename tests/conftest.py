"""Which tests run together."""

import signal
from pathlib import Path

import pytest


def pytest_configure() -> None:
    """Listen to Ctrl-C, also where a shell started the tests in the background, which leaves it ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second each, for tests that do not look at them."""
    for name in ("SolutionPlotter._draw", "SolutionPlotter._draw_times", "HistoryPlotter.on_train_end"):
        monkeypatch.setattr(f"lightning_autobalance.callbacks.{name}", lambda *_: None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what must run without checks of shapes in signatures; `step/test_compiled.py` starts it."""
    return True if collection_path.name == "compiled" and config.getoption("jaxtyping_packages", None) else None
