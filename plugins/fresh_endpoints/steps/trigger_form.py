"""The fields of the DAGs' trigger forms, with what they allow: Airflow refuses anything else before a run starts.

https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/params.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Param

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline


def data_date(pipeline: Pipeline, use: str) -> Param:
    """Make the field for the day whose files are used; empty for the day before DATE.

    Args:
        pipeline: The pipeline.
        use: What is done with the files, such as ``Train on``.
    """
    return Param(
        None,
        type=["null", "string"],
        format="date",
        title="Data date",
        description=f"{use} this day's files. Leave empty for yesterday ({pipeline.timezone}).",
    )


def wait_minutes(pipeline: Pipeline) -> Param:
    """Make the field for how long to wait for the files, in minutes; empty for the pipeline file's ``wait_minutes``.

    Args:
        pipeline: The pipeline.
    """
    return Param(
        None,
        type=["null", "integer"],
        minimum=0,
        title="Wait (minutes)",
        description=f"Wait this long for the files; 0 looks once. Leave empty for the file's {pipeline.wait_minutes}.",
    )


def deploy(pipeline: Pipeline) -> Param:
    """Make the field for what to deploy; it begins with the pipeline file's ``deploy``.

    Args:
        pipeline: The pipeline.
    """
    return Param(
        pipeline.deploy,
        type="string",
        # Where no file says what serves a model, there is nothing to deploy with.
        enum=["auto", "always", "never"] if pipeline.endpoint_config else ["never"],
        title="Deploy",
        description="auto: deploy the model, unless one of a later data date is live. always: deploy it over "
        "that, too. never: only train.",
    )


def model() -> Param:
    """Make the field for what is to be live."""
    return Param(
        "previous",
        type="string",
        minLength=1,
        maxLength=63,  # A SageMaker name is no longer.
        title="Model",
        description="previous: what was seen to work before what is live. live: change nothing but the hold. Or a data "
        "date (YYYY-MM-DD), or a training job's name.",
    )


def hold_days() -> Param:
    """Make the field for how long automatic deployments are to leave it alone, in days."""
    return Param(
        7,
        type="integer",
        minimum=0,
        maximum=365,
        title="Hold (days)",
        description="How many days the daily runs leave it live; they train and do not deploy. 0: no hold, and "
        "one that there is ends.",
    )


def reason() -> Param:
    """Make the field for why."""
    return Param(
        "",
        type="string",
        maxLength=500,
        title="Reason",
        description="Why, in a sentence; Slack and the endpoint's tag say it with your name.",
    )
