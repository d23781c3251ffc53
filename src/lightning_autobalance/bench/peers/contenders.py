"""All that are timed."""

from functools import partial

from lightning_autobalance.bench.peers import nested, ours
from lightning_autobalance.bench.peers.contender import Contender
from lightning_autobalance.bench.peers.deepxde import deepxde
from lightning_autobalance.bench.peers.pina import pina
from lightning_autobalance.bench.peers.products import bare_products

CONTENDERS = [
    Contender("products", "matrix products of our step alone", bare_products),
    Contender(
        "fit_compiled",
        "ours: `fit` with `compile: true`",
        partial(ours.fit, compile=True),
        absent=ours.cannot_compile,
    ),
    Contender("loop", "ours: plain torch loop, AutoAdamW", ours.auto_adamw_loop),
    Contender("loop_adamw", "the same, torch's AdamW on the sum", ours.adamw_loop),
    Contender("fit", "ours: `fit`, monitor and TensorBoard on", ours.fit),
    Contender("nested", "nested autograd, one AdamW per term", nested.two_adamws),
    Contender("config", "nested autograd, ConFIG, Adam", nested.config, needs="conflictfree"),
    Contender("torchjd", "nested autograd, TorchJD's UPGrad, Adam", nested.torchjd, needs="torchjd"),
    Contender("pina", "PINA, AdamW", pina, needs="pina"),
    Contender("deepxde", "DeepXDE, Adam", deepxde, needs="deepxde"),
]
BY_NAME = {contender.name: contender for contender in CONTENDERS}
