"""The answer as a function of some numbers of the config that JAX can differentiate.

The function solves, once, at the point it is called at; its derivative is that of the optimality
conditions there, found in the same call. It works under ``jit``, ``grad``, ``jacobian`` and
``vmap`` (one solve after another), as part of a larger computation; not twice: a second
derivative is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from allocate.errors import SolveError
from allocate.models.loader import Loaded
from allocate.models.parameters import Parameter, moved, parameters, written
from allocate.solver.solve import solve
from allocate.solver.studies.sensitivity.slopes import Side, Slopes
from allocate.solver.studies.sensitivity.study import Unsettled, exact

WELFARE = "welfare"


@dataclass
class Differentiable:
    """``outputs`` of the answer against ``parameters``: call it with an array of their values.

    ``value_and_jacobian`` does the same without JAX.
    """

    loaded: Loaded
    parameters: tuple[Parameter, ...]
    outputs: tuple[str, ...]
    method: str = "auto"
    tolerance: float = 1e-6
    seed: int = 0
    _call: Callable[[Any], Any] | None = field(default=None, init=False, repr=False)

    @property
    def values(self) -> np.ndarray:
        """[parameters] where the config has them."""
        return np.array([p.value for p in self.parameters])

    def __call__(self, values: Any) -> Any:
        """[outputs], float64: at values [parameters] in the units of the config."""
        if self._call is None:
            self._call = _traced(self)
        return self._call(values)

    def value_and_jacobian(self, values: Any) -> tuple[np.ndarray, np.ndarray]:
        """([outputs], [outputs, parameters]): the answer and its derivatives.

        Raises:
            SolveError: there is no certified answer, or it bends there.
            LookupError: an output is not there.
        """
        values = np.asarray(values, float)
        if values.shape != (len(self.parameters),):
            raise ValueError(f"{len(self.parameters)} values are wanted, not {values.shape}")
        change = dict(zip(self.parameters, map(float, values), strict=True))
        config, classes = moved(self.loaded, change)
        data = written(self.loaded, change)
        there = replace(self.loaded, config=config, classes=classes, data=data)
        solution = solve(there, self.method, self.tolerance, self.seed, ranges=False)
        try:
            slopes = Slopes(exact(solution))
        except Unsettled as why:
            raise SolveError("stopped", f"no derivatives: {why}") from why
        found = {p.path: p for p in parameters(there)[0]}
        columns = [self._column(slopes, found[p.path]) for p in self.parameters]
        here = {
            WELFARE: slopes.at.certified.primal,
            **dict(zip(slopes.resources, slopes.price_values, strict=True)),
            **{d.dotted: d.value for d in slopes.told},
        }
        value = np.array([_named(here, name) for name in self.outputs])
        return value, np.array(columns).reshape(len(columns), len(value)).T

    def _column(self, slopes: Slopes, parameter: Parameter) -> list[float]:
        found = slopes.of(parameter)
        side: Side | None = found.both or found.above or found.below
        if found.both is None:
            raise SolveError(
                "stopped", f"no derivative with respect to {parameter.path}: {found.reason}"
            )
        assert side is not None
        told = {
            WELFARE: side.welfare,
            **dict(zip(slopes.resources, side.prices, strict=True)),
            **{d.dotted: v for d, v in zip(slopes.told, side.decisions, strict=True)},
        }
        return [float(_named(told, name)) for name in self.outputs]


def differentiable(
    loaded: Loaded,
    names: Sequence[str],
    outputs: Sequence[str] = (WELFARE,),
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
) -> Differentiable:
    """See ``allocate.differentiable``.

    Raises:
        LookupError: a name is no number that is written in the config.
    """
    known = {p.path: p for p in parameters(loaded)[0]}
    return Differentiable(
        loaded,
        tuple(_named(known, name) for name in names),
        tuple(outputs),
        method,
        tolerance,
        seed,
    )


def _traced(function: Differentiable) -> Callable[[Any], Any]:
    """The function for JAX: both value and Jacobian come back from one call of the solver."""
    import jax
    import jax.numpy as jnp

    shape = (len(function.outputs), len(function.parameters))
    if not jax.config.read("jax_enable_x64"):
        raise ValueError('float64 is needed: call jax.config.update("jax_enable_x64", True) first')

    def host(values: Any) -> tuple[np.ndarray, np.ndarray]:
        return function.value_and_jacobian(np.asarray(values, float))

    def both(values: Any) -> tuple[Any, Any]:
        kinds = (
            jax.ShapeDtypeStruct(shape[:1], jnp.float64),
            jax.ShapeDtypeStruct(shape, jnp.float64),
        )
        return jax.pure_callback(host, kinds, values, vmap_method="sequential")

    @jax.custom_jvp
    def solved(values: Any) -> Any:
        return both(values)[0]

    @solved.defjvp
    def _along(primals: tuple, tangents: tuple) -> tuple[Any, Any]:
        value, jacobian = both(primals[0])
        return value, jacobian @ tangents[0]

    return lambda values: solved(jnp.asarray(values, jnp.float64))


def _named(known: dict[str, Any], name: str) -> Any:
    if name in known:
        return known[name]
    from allocate.models.paths import nearest

    raise LookupError(f"there is no `{name}` here: {nearest(name, known)}")
