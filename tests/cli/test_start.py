"""Starting is quick: nothing heavy is imported before it is needed."""

import subprocess
import sys

import pytest

HEAVY = ("cvxpy", "jax", "numpy", "scipy", "polars", "pint", "clarabel", "highspy")


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("statement", ["main(['--help'])", "main(['solve', '--help'])"])
def test_help_imports_nothing_heavy(statement):
    out = run_python(
        f"import sys\nfrom allocate.cli.main import main\n{statement}\n"
        f"print('loaded:', [m for m in {HEAVY} if m in sys.modules])"
    )
    assert out.endswith("loaded: []\n")


def test_import_allocate_imports_nothing_heavy():
    heavy = (*HEAVY, "pydantic", "typer")
    out = run_python(f"import sys, allocate; print([m for m in {heavy} if m in sys.modules])")
    assert out == "[]\n"


def test_python_twin_lists_its_names():
    import allocate

    assert {"solve", "load", "validate", "Solution", "__version__"} <= set(dir(allocate))
    with pytest.raises(AttributeError, match="nothing_like_it"):
        allocate.nothing_like_it  # noqa: B018


CONFIG = {
    "version": 1,
    "models": {"m": {"quality": 0.5}},
    "classes": {"k": {"rate_per_s": 1, "value_usd": 1}},
}


def test_python_twin_takes_a_mapping_with_changes(solver):
    import allocate

    solver.solve = lambda loaded, **question: (loaded.config.demand.scale, question["method"])
    assert allocate.solve(CONFIG, ["demand.scale=2"], method="conic") == (2.0, "conic")
    assert allocate.validate(CONFIG) == []
    assert len(allocate.validate(CONFIG | {"nonsense": 1})) == 1


def test_python_twin_refuses_to_change_a_loaded_config(solver):
    import allocate

    solver.solve = None
    loaded = allocate.load(CONFIG)
    with pytest.raises(ValueError, match="loaded config is final"):
        allocate.solve(loaded, overrides=["demand.scale=2"])
