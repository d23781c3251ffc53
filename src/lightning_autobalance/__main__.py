"""`python -m lightning_autobalance`: the same as the command `lightning-autobalance`."""

from lightning_autobalance.cli import main

if __name__ == "__main__":
    main()
