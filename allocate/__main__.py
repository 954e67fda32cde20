"""``python -m allocate`` is the same as ``allocate``."""

from allocate.cli.main import run

if __name__ == "__main__":
    run()
