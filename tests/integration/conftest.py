"""The integration tests run a pipeline whole on local AWS."""

from pipeline_under_test import pipeline

__all__ = ["pipeline"]
