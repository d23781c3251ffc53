"""Every process would warn; one does."""

import warnings

import pytest

from lightning_autobalance.utils import messages


def test_the_first_process_warns() -> None:
    with pytest.warns(UserWarning, match="mind this"):
        messages.rank_zero_warn("mind this")


def test_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "rank", lambda: 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        messages.rank_zero_warn("mind this")
    assert messages.rank() == 1
