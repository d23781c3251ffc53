"""The list of contenders."""

from functools import partial

from benchmarks.peers import nested, ours
from benchmarks.peers.contender import Contender
from benchmarks.peers.deepxde import deepxde
from benchmarks.peers.pina import pina
from benchmarks.peers.products import bare_products

CONTENDERS = [
    Contender("products", "bare matrix products", bare_products),
    Contender("fit_default", "`fit` at its defaults", ours.fit),
    Contender("fit_compiled", "`fit`, compiled", partial(ours.fit, compile=True), absent=ours.cannot_compile),
    Contender("fit", "`fit`, uncompiled", partial(ours.fit, compile=False)),
    Contender("loop", "torch loop, AutoAdamW", ours.auto_adamw_loop),
    Contender("loop_adamw", "torch loop, AdamW", ours.adamw_loop),
    Contender("nested", "nested, an AdamW per term", nested.two_adamws),
    Contender("config", "nested, ConFIG", nested.config, needs="conflictfree"),
    Contender("torchjd", "nested, TorchJD", nested.torchjd, needs="torchjd"),
    Contender("pina", "PINA", pina, needs="pina"),
    Contender("deepxde", "DeepXDE", deepxde, needs="deepxde"),
]
BY_NAME = {contender.name: contender for contender in CONTENDERS}
