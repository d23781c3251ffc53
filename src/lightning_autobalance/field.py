"""`NeuralField`: an equation and the network that solves it, without training; `PINNModule` extends it."""

from argparse import ArgumentError
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any, Literal, TypeVar

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn
from torchmetrics import MetricCollection

from lightning_autobalance.derivatives import derivative_along, partials, supports_taylor
from lightning_autobalance.derivatives.taylor import unsupported
from lightning_autobalance.metrics import solution_metrics
from lightning_autobalance.nets import MLP
from lightning_autobalance.points import Domain, Reference, opposite, outward, quadrature, rounded_inside
from lightning_autobalance.points.reference import compared_fields
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.training.batches import EvaluationBatch, as_points, has_several_sizes
from lightning_autobalance.training.checkpoint_io import read_checkpoint
from lightning_autobalance.training.evaluation import EvaluatedModule
from lightning_autobalance.training.stored_configuration import check_imports, configuration_error
from lightning_autobalance.utils.arguments import check_at_least
from lightning_autobalance.variants import MeanSquares

Module = TypeVar("Module", bound=LightningModule)


class NeuralField(EvaluatedModule):
    """The fields u(x; w) on a domain and their partial derivatives; the base of `PINNModule`, which trains them.

    Args:
        net: The network u(x; w), (b, d) to (b, k). By default that of ``default_net``.
        derivatives: ``taylor`` (forward mode), ``reverse`` (nested reverse mode), or ``auto``: Taylor mode if the
            network supports it.
        reference: As in `PINNModule`.

    Raises:
        MisconfigurationException: If the class attribute ``domain`` is missing.
        TypeError: If ``domain`` is not a domain.
        ValueError: If ``reported`` names an unknown field.
    """

    domain: Domain
    """Where the equation holds, with its named parts: ``interior``, ``boundary`` and, in time, ``initial``."""
    fields: tuple[str, ...] = ("u",)
    """Names of the k fields that the network returns."""
    reported: tuple[str, ...] | None = None
    """Fields whose error the metrics report; None for all."""
    measured: tuple[str, ...] = ()
    """Loss terms that compare with noisy measurements; the check of the exact solution skips them."""
    default_reference: Mapping[str, Any] | None = None
    """The ``reference`` where none is given; by it a ready problem brings its own."""
    true_parameters: Mapping[str, float] = {}
    """True values of unknown parameters by name, used by the check of the exact solution."""

    def __init__(
        self,
        net: nn.Module | None = None,
        derivatives: Literal["auto", "taylor", "reverse"] = "auto",
        reference: dict[str, Any] | tuple[Any, Any] | None = None,
    ) -> None:
        super().__init__()
        if not hasattr(self, "domain"):
            raise MisconfigurationException(
                f"`{type(self).__name__}` must be a subclass of `PINNModule` with a class attribute `domain`, got none."
                " A checkpoint is loaded with the class it was trained with: `Helmholtz2D.load_from_checkpoint(path)`."
            )
        self._check_declarations()
        self.net = net if net is not None else self.default_net()
        self.derivatives = derivatives
        self._told_if_reverse = False
        self._quadratures: dict[tuple[Any, ...], tuple[Tensor, Tensor]] = {}
        given = self.default_reference if reference is None else reference
        self.reference = None if given is None else Reference(given, self.domain, self.fields)
        self.compared = compared_fields(self.reference, self.reported or self.fields)  # by the metrics
        self.val_metrics = solution_metrics("val/", self.compared)
        self.test_metrics = solution_metrics("test/", self.compared)

    @classmethod
    def load_from_checkpoint(
        cls: type[Module],
        checkpoint_path: Any,
        map_location: Any = None,
        hparams_file: Any = None,
        strict: bool | None = None,
        weights_only: bool | None = None,
        trusted_modules: Collection[str] = (),
        **kwargs: Any,
    ) -> Module:
        """Load a trained module from a checkpoint, without its YAML; call it on the class that was trained.

        A checkpoint from the command line contains the configuration, so that nothing else is needed. A checkpoint
        from a Trainer in Python contains only arguments that are numbers, strings, or lists and mappings of these: the
        objects ``net``, ``balancer`` and ``variant`` must be passed again if they were given.

        Args:
            checkpoint_path: The file, its URL, or an open file.
            map_location: As in ``torch.load``.
            hparams_file: A YAML file with arguments that replace those in the checkpoint.
            strict: Whether the names of all states must agree.
            weights_only: Whether to refuse arbitrary Python objects; None means True.
            trusted_modules: Modules whose classes the stored configuration may import, beside those of this package,
                ``torch.nn``, ``torch.optim`` and the modules of the class itself.
            **kwargs: Arguments of the module that replace those in the checkpoint.

        Raises:
            MisconfigurationException: If the file is not a complete checkpoint, belongs to another module, or its
                configuration is not valid or would import other modules.
        """
        weights_only = True if weights_only is None else weights_only
        found = read_checkpoint(checkpoint_path, weights_only)
        if hparams_file is None:
            own = {base.__module__ for base in cls.__mro__ if issubclass(base, NeuralField)}
            check_imports(found, [*trusted_modules, *sorted(own)], replaced=kwargs)
        try:
            return super().load_from_checkpoint(
                checkpoint_path, map_location, hparams_file, strict, weights_only, **kwargs
            )
        except ArgumentError as error:
            raise configuration_error(error) from None
        except RuntimeError as error:
            if "Error(s) in loading state_dict" not in str(error):
                raise
            raise MisconfigurationException(
                f"`net`, `balancer` and `variant` of {cls.__name__} must be as in the checkpoint: pass those that it "
                f"was trained with, `{cls.__name__}.load_from_checkpoint(path, net=...)`. {error}"
            ) from error

    def log(self, *args: Any, **kwargs: Any) -> None:
        """As in ``LightningModule``, except for points by part, whose different numbers are no batch size.

        Args:
            *args: As in ``LightningModule.log``.
            **kwargs: As in ``LightningModule.log``; ``batch_size`` is 1 by default for such a batch.
        """
        if kwargs.get("batch_size") is None and has_several_sizes(self._trainer):
            kwargs["batch_size"] = 1
        super().log(*args, **kwargs)

    def _check_declarations(self) -> None:
        if not isinstance(self.domain, Domain):
            raise TypeError(f"`domain` must be a domain, such as `Interval(0, 1)`, got {self.domain!r}.")
        for name in self.reported or ():
            if name not in self.fields:
                raise ValueError(f"`reported` must name fields of {type(self).__name__}, {self.fields}, got {name!r}.")

    def default_net(self) -> nn.Module:
        """The network used if none is given."""
        return MLP(len(self.domain.coordinates), len(self.fields))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The residual of each loss term at its points; to be defined by every PDE.

        Args:
            points: The collocation points by part of the domain, each (b, d).

        Returns:
            By name of the term, (b,) or (b, k).
        """
        raise NotImplementedError(f"`{type(self).__name__}` must define `residuals(self, points)`.")

    def exact(self, x: Points) -> Fields:
        """The exact solution, if known: enables error metrics, plots and the check before training.

        Args:
            x: Points, (b, d).

        Returns:
            The fields, (b, k).
        """
        raise NotImplementedError(f"`{type(self).__name__}` has no exact solution.")

    @property
    def has_exact(self) -> bool:
        """Whether the exact solution is known."""
        return type(self).exact is not NeuralField.exact

    def forward(self, x: Points) -> Fields:
        """The fields at points: (b, d) to (b, k). Override it to transform the output of the network."""
        fields: Tensor = self.net(x)
        return fields

    def partials(self, x: Points, *names: str) -> tuple[Fields, ...]:
        """The field ("") and its named partial derivatives ("t", "xx", "xx+yy"), in one pass.

        Args:
            x: Points, (b, d).
            names: Names made of the domain's coordinates; a sum of derivatives costs as much as one of them.

        Returns:
            One (b, k) per name.
        """
        self._tell_if_reverse()
        return partials(self._field, x, *names, coordinates=self.domain.coordinates, mode=self._mode)

    def derivative_along(self, x: Points, direction: Tensor) -> Fields:
        """The derivative of each field along a direction at each point, in one pass.

        Args:
            x: Points, (b, d).
            direction: (b, d), as long as the derivative shall be large.

        Returns:
            (b, k).
        """
        self._tell_if_reverse()
        return derivative_along(self._field, x, direction, self._mode)

    def normal_derivative(self, x: Points, part: str = "boundary") -> Fields:
        """The derivative of each field along the outward unit normal of the domain, for Neumann and Robin conditions.

        Args:
            x: Points of the part, (b, d).
            part: Part of the boundary; its name settles the normal at corners.

        Returns:
            (b, k).

        Raises:
            ValueError: If there is no such part, or it is not of the boundary.
            NotImplementedError: If the domain has no normals.
        """
        return self.derivative_along(x, outward(self.domain, x, part))

    def periodic(self, x: Points, coordinate: str, order: int = 1) -> Fields:
        """How much the fields differ between both ends of a coordinate: the residual of a periodic condition.

        Args:
            x: Points whose other coordinates are taken, such as those of one side, (b, d).
            coordinate: Its name, such as "x".
            order: Derivatives by the coordinate up to this order are compared, too.

        Returns:
            At the lower end minus at the upper end, values first, (b, k (order + 1)).

        Raises:
            ValueError: If there is no such coordinate, ``order`` is negative, or the domain lacks two whole sides.
        """
        check_at_least("order", order, 0)
        pairs = torch.cat(opposite(self.domain, x, coordinate))
        found = torch.cat(self.partials(pairs, *(coordinate * n for n in range(order + 1))), dim=1)
        return found[: len(x)] - found[len(x) :]

    def integral(
        self,
        part: str = "interior",
        of: Callable[[Points], Fields] | None = None,
        *,
        at: Points | None = None,
        count: int = 400,
    ) -> Fields:
        """Integrals over a part of space, by nodes that stay: the same on all processes, whatever points are drawn.

        Args:
            part: A part of space, such as "boundary".
            of: What is integrated, from (n, d) to (n, k), such as ``self.normal_derivative``; by default the fields.
            at: Points whose time and parameters are taken, (b, d); needed only where the domain has such.
            count: About how many nodes, for each row of ``at``.

        Returns:
            One row per point of ``at``, (b, k); without, (1, k).

        Raises:
            ValueError: If there is no such part in space, or ``at`` is missing.
        """
        nodes, weights = self._quadrature(part, count)
        space = nodes.shape[1]
        if at is None and space < len(self.domain.coordinates):
            further = ", ".join(self.domain.coordinates[space:])
            raise ValueError(f"`at` must be points at whose {further} to integrate over space, got none.")
        at = nodes[:1] if at is None else at
        x = torch.cat([nodes.repeat(len(at), 1), at[:, space:].repeat_interleave(len(nodes), dim=0)], dim=1)
        values = (self if of is None else of)(x).view(len(at), len(nodes), -1)
        return (weights[:, None] * values).sum(dim=1)

    def _quadrature(self, part: str, count: int) -> tuple[Tensor, Tensor]:
        key = part, count, self.points_dtype, self.device
        if key not in self._quadratures:
            with torch.inference_mode(False):  # they are kept
                nodes, weights = quadrature(self.domain, part, count)
                self._quadratures[key] = nodes.to(self.device, key[2]), weights.to(self.device, key[2])
        return self._quadratures[key]

    @property
    def derivative_mode(self) -> str:
        """How `partials` differentiates: "taylor" or "reverse"."""
        if self.derivatives == "auto":
            return "taylor" if isinstance(self._field, nn.Module) and supports_taylor(self._field) else "reverse"
        return self.derivatives

    def _tell_if_reverse(self) -> None:
        """Say once that a layer, not the user, has chosen reverse mode; an own `forward` is the user's choice."""
        own = type(self).forward is not NeuralField.forward or self._is_replaced
        if self._told_if_reverse or self.derivatives != "auto" or own:
            return
        self._told_if_reverse = True
        if (bad := unsupported(self.net)) is not None:
            path = next((f"net.{name}" if name else "net" for name, layer in self.net.named_modules() if layer is bad))
            rank_zero_warn(
                f"`derivatives` go by nested reverse mode, which is slower, because of `{path}`: Taylor mode does not "
                f"know {type(bad).__name__}, or it has forward hooks. Give it a method `taylor`, or set "
                "`derivatives: reverse`, which silences this."
            )

    @property
    def _field(self) -> Any:
        transformed = type(self).forward is not NeuralField.forward or self._is_replaced
        return self.__call__ if transformed else self.net

    @property
    def _mode(self) -> Literal["auto", "taylor", "reverse"]:
        return "reverse" if self._is_replaced else self.derivatives

    @property
    def _is_replaced(self) -> bool:
        own = self.__dict__.get("forward")  # under DDP, Lightning sets the class's own method on the instance
        return own is not None and getattr(own, "__func__", None) is not type(self).forward

    @property
    def points_dtype(self) -> torch.dtype:
        """The floating point type of the network's parameters, to which points are converted.

        Unknown parameters of the equation have types of their own; they decide only where the network has none.
        """
        for parameter in chain(self.net.parameters(), self.parameters()):
            if parameter.is_floating_point():
                return parameter.dtype
        raise MisconfigurationException(f"`net` of {type(self).__name__} must have parameters, got none.")

    @contextmanager
    def field_replaced(self, field: Callable[[Points], Fields]) -> Iterator[None]:
        """While open, the module returns another field, such as the exact solution, in place of the network's.

        Args:
            field: Maps points, (b, d), to fields, (b, k).
        """
        before = self.__dict__.get("forward")
        self.__dict__["forward"] = field  # an instance attribute takes precedence over the method
        try:
            yield
        finally:
            del self.__dict__["forward"]
            if before is not None:
                self.__dict__["forward"] = before

    def grid(self, count: int) -> Points:
        """About ``count`` points on a regular grid over the domain, including its boundary.

        Args:
            count: Approximate number of points.

        Returns:
            Points of the module's dtype on the CPU, (b, d).
        """
        return rounded_inside(self.domain, self.domain.grid(count), self.points_dtype)

    # Evaluation -----------------------------------------------------------------------------------------------------

    def validation_step(self, batch: EvaluationBatch, batch_idx: int) -> None:  # noqa: ARG002
        """Compare with a solution at points, (b, d), or with the given one there, or compute losses by part."""
        self._evaluate("val/", self.val_metrics, batch)

    def test_step(self, batch: EvaluationBatch, batch_idx: int) -> None:  # noqa: ARG002
        """As for validation."""
        self._evaluate("test/", self.test_metrics, batch)

    def predict_step(self, batch: Points, batch_idx: int) -> Fields:  # noqa: ARG002
        """The fields on a batch of the evaluation grid, (b, d) to (b, k)."""
        fields: Tensor = self(batch.to(self.points_dtype))
        return fields

    def held_out_losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Mean squares of the residuals at points not used in training.

        Args:
            points: By part, each (b, d).
        """
        losses: dict[str, Tensor] = MeanSquares()(points, self.residuals(points))
        return losses

    def _evaluate(self, prefix: str, metrics: MetricCollection, batch: EvaluationBatch) -> None:
        if not isinstance(batch, Mapping):
            given, known = (batch, None) if isinstance(batch, Tensor) else batch
            x = given.to(self.points_dtype)  # of a loader of the user's own
            columns = [self.fields.index(name) for name in self.compared]
            metrics.update(self(x)[:, columns].to(x.dtype), self.exact(x)[:, columns] if known is None else known)
            found: Any = metrics
        else:
            with torch.inference_mode(False), torch.enable_grad():  # residuals may call torch.autograd.grad
                own = {part: x.clone() for part, x in as_points(batch, self.domain, self.points_dtype).items()}
                losses = {term: loss.detach() for term, loss in self.held_out_losses(own).items()}
            found = {f"{prefix}loss/{term}": loss for term, loss in losses.items()}
            found[f"{prefix}loss"] = torch.stack(list(losses.values())).sum()
        sync_dist = isinstance(batch, Mapping)  # torchmetrics reduce over processes themselves
        self.log_dict(found, on_step=False, on_epoch=True, prog_bar=True, batch_size=1, sync_dist=sync_dist)
