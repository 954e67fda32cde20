"""The report of one answer of ``allocate solve``: a file for each section of the page."""
