"""Local AWS in an account that has trained for weeks: ``LocalAws`` with as many past training jobs as it is told.

They are in its lists, where AWS cuts a page before it filters it, and nobody has to run them first.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from local_aws import sagemaker
from local_aws.process import LocalAws
from local_aws.resources import Region
from local_aws.training import TrainingJobs
from local_aws.training_job import TrainingJob

_COUNT = "BENCH_PAST_JOBS"
_EVERY_SECONDS, _LASTED_SECONDS = 600.0, 300.0


class LocalAwsWithAPast(LocalAws):
    """A running local AWS.

    Args:
        past: How many training jobs have ended before.
        options: As LocalAws has them.
    """

    program = "benchmarks.past"

    def __init__(self, past: int, **options: Any):
        os.environ[_COUNT] = str(past)
        try:
            super().__init__(**options)
        finally:
            del os.environ[_COUNT]


class PastTrainingJobs(TrainingJobs):
    """The training jobs of a region, the past ones among them."""

    def __init__(self, region: Region) -> None:
        super().__init__(region)
        now = time.time()
        for number in range(int(os.environ[_COUNT])):
            self.add(_ended(region, f"past-{number:04}", now - _EVERY_SECONDS * (number + 1)), [])


def _ended(region: Region, name: str, created: float) -> TrainingJob:
    request: dict[str, Any] = {
        "TrainingJobName": name,
        "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "OutputDataConfig": {"S3OutputPath": "s3://sample-bucket/past/"},
    }
    job = TrainingJob(name, region.arn(TrainingJobs.kind.arn, name), request, creation_time=created)
    job.enter("Starting")
    job.end("Completed", "Completed")
    job.start_time, job.end_time = created, created + _LASTED_SECONDS
    job.last_modified_time = job.end_time
    return job


if __name__ == "__main__":
    sagemaker.TrainingJobs = PastTrainingJobs  # type: ignore[misc]
    from local_aws.__main__ import main

    sys.exit(main())
