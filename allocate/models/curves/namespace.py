"""One spelling of a formula for NumPy and JAX."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def namespace(*arrays: Any) -> ModuleType:
    """``jax.numpy`` if any argument is a JAX array, else ``numpy`` (JAX is not imported)."""
    for a in arrays:
        if type(a).__module__.partition(".")[0] in ("jax", "jaxlib"):
            import jax.numpy as jnp

            return jnp
    return np
