"""Logs, measurements and price lists → tables, curves and a fragment of a config.

One reader a format, found through ``registry``. What a reader hands back is a
``Calibration`` (``result``); how files are opened safely stands in ``reading``.
"""
