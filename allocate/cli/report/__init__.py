"""A result as one HTML page: drawn from its JSON alone, without solving.

A document of a known kind (``kinds``) becomes a ``Page`` of sections, figures and tables
(``parts``); Altair describes the charts (``charts``), vl-convert draws them as SVG (``draw``), and
Jinja puts everything into one file that needs nothing else (``page``).
"""
