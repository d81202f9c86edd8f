"""Keeps SageMaker endpoints fresh; see README.md for the whole, and CONTRIBUTING.md for the map of the rooms."""
