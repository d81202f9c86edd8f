"""What a pipeline file says about its place among many: how long it waits for instances, and who goes first."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from fresh_endpoints.pipeline_file import limits

_POOL = r"[\w.-]+( [\w.-]+)*"


def _pool(value: str) -> str:
    if not re.fullmatch(_POOL, value):
        raise ValueError("it must be the name of an Airflow pool: letters, digits, _, ., - and single spaces")
    return value


class Fleet(BaseModel):
    """The keys of a pipeline file that matter where many pipelines share an account and an Airflow."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    pool: Annotated[str, Field(max_length=limits.LONGEST_POOL), AfterValidator(_pool)] | None = Field(
        default=None,
        description="Airflow pool of the tasks that ask AWS for instances: train, deploy, predict, redeploy. Airflow "
        "counts a task that waits without a worker slot only where the pool includes deferred tasks. Left out: the "
        "default pool.",
        examples=["sagemaker"],
    )
    priority: int = Field(
        default=1,
        ge=1,
        le=limits.HIGHEST_PRIORITY,
        description="Airflow's priority_weight of each task: where slots of workers or of a pool are short, the higher "
        "goes first.",
    )
    spread_minutes: int = Field(
        default=0,
        ge=0,
        le=limits.LONGEST_SPREAD_MINUTES,
        description="Minutes over which the pipelines of one schedule are spread: a scheduled run begins up to so many "
        "after it is due, by the pipeline's name always at the same one. 0: at once.",
    )
    quota_wait_minutes: int | None = Field(
        default=None,
        ge=0,
        le=limits.LONGEST_WAIT_MINUTES,
        description="Minutes that a step waits at most where AWS refuses it for want of quota, or has no such "
        "instance. 0: it fails at once. Left out: a scheduled run waits until the next one is due, any other waits "
        "for a day.",
    )
