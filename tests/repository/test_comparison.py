"""docs/comparison.md: what it says of the stock operators is what those that are installed do."""

from __future__ import annotations

import inspect
from pathlib import Path

from airflow.providers.amazon.aws.operators import sagemaker

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "comparison.md").read_text().split())


def test_the_stock_operators_names_and_period_are_as_the_page_says():
    defaults = inspect.signature(sagemaker.SageMakerTrainingOperator).parameters
    assert f'(`action_if_job_exists="{defaults["action_if_job_exists"].default}"`)' in PAGE
    assert f"{defaults['check_interval'].default} s unless told otherwise" in PAGE


def test_the_stock_endpoint_operator_compares_no_config():
    source = inspect.getsource(sagemaker.SageMakerEndpointOperator.execute)
    assert "endpoint_in_service" in source
    after_waiting = source.partition("endpoint_in_service")[2] + inspect.getsource(
        sagemaker.SageMakerEndpointOperator.execute_complete
    )
    assert "==" not in after_waiting
