"""Who reads it: the command line. ``main`` builds the app, ``commands`` has one file each."""
