"""What every test shares: float64, fixed seeds, and the flag that rewrites golden files."""

import os
import random
import sys

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("JAX_ENABLE_X64", "1")  # before anything imports jax
os.environ.setdefault("JAX_PLATFORMS", "cpu")

settings.register_profile(  # the same examples in every run
    "same",
    derandomize=True,
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("search", max_examples=500, deadline=None)  # --hypothesis-profile=search
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--refresh-goldens", action="store_true", help="rewrite the golden files from what is drawn"
    )


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """Fix the global generators, for code that should not use them but might."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
