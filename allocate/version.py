"""The version of the package, for those that must not import the package itself."""

__version__ = "0.1.0"
