"""What moves the parameters: post-combine optimizers, and learning rate schedules.

A post-combine optimizer keeps one state per loss term and combines the updates. Any torch optimizer can take its place
behind a balancer, and needs no file here.
"""

from lightning_autobalance.optim.auto_adam import AutoAdam
from lightning_autobalance.optim.auto_adamw import AutoAdamW
from lightning_autobalance.optim.auto_balance import AutoBalance
from lightning_autobalance.optim.auto_soap import AutoSOAP
from lightning_autobalance.optim.post_combine import PostCombine
from lightning_autobalance.optim.presets import ada_task, multi_adam
from lightning_autobalance.optim.schedules import WarmupExponentialDecay

__all__ = [
    "PostCombine",
    "AutoAdamW",
    "AutoAdam",
    "AutoSOAP",
    "AutoBalance",
    "ada_task",
    "multi_adam",
    "WarmupExponentialDecay",
]
