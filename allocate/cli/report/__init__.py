"""Results as one HTML page, or one figure of it: drawn from their JSON alone, without solving.

Documents of known kinds (``kinds``, ``forms``) each give a verdict, sections, figures and tables
(``parts``; ``solved``, ``compared``, ``diagnosed``, ``planned``). ``whole`` joins them into one
``Page``; Altair describes the charts (``charts``, ``chart_*``), vl-convert draws them as SVG
(``draw``), and Jinja puts everything into one file that needs nothing else (``page``). ``single``
is one figure as a picture, ``notebook`` the figures in a notebook.
"""
