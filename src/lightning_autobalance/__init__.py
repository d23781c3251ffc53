"""AutoBalance for physics-informed neural networks on PyTorch Lightning."""

from importlib.metadata import version

__version__ = version("lightning-autobalance")
