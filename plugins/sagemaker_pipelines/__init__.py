"""How each step of a pipeline is done; see README.md for the whole."""
