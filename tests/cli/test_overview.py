"""All commands at a glance."""

from lightning_autobalance.cli.overview import COMMANDS, overview


def test_every_command_is_there_in_80_columns() -> None:
    text = overview("lightning")
    assert all(name in text for name in COMMANDS)
    assert "usage: lightning COMMAND" in text
    assert max(map(len, text.splitlines())) <= 80
