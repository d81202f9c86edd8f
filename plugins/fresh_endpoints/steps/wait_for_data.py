"""Step 1: is the data there?"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from botocore.exceptions import ClientError

from fresh_endpoints.aws.clients import S3Hook
from fresh_endpoints.aws.errors import BOTOCORE_CONFIG, code_of, explained, is_denied
from fresh_endpoints.steps.spread import begins_at
from fresh_endpoints.steps.step import PipelineStep
from fresh_endpoints.waiting.start import StartTrigger
from fresh_endpoints.waiting.triggers import DataTrigger

if TYPE_CHECKING:
    from fresh_endpoints.pipeline_file.model import Pipeline
    from fresh_endpoints.waiting.event import WaitEnded

POKE_SECONDS = 30.0
# The trigger ends the wait itself; Airflow's own timeout comes later, should the trigger hang.
GRACE_SECONDS = 120.0
# HeadBucket's answer has no body, so its code is that of HTTP.
_MISSING = ("404", "NoSuchBucket")


class WaitForDataSensor(PipelineStep, S3KeySensor):
    """Waits for all of a pipeline's files of the data date, and skips the run when they do not come in time.

    Only missing data skips. A denied or failing S3 call fails the task, unlike the stock sensor with ``soft_fail``,
    which skips on any error met while deferred. The waiting time counts from the moment that the run stands for, so
    that a run for a past day (a backfill) looks once.

    Args:
        pipeline: The pipeline.
        keys: The S3 keys to wait for; None for those that the channels of its ``data`` wait for.
    """

    aws_hook_class = S3Hook

    def __init__(self, *, pipeline: Pipeline, keys: tuple[str, ...] | None = None, **kwargs: Any):
        super().__init__(
            bucket_name="{{ bucket }}",
            bucket_key=list(waited_keys(pipeline) if keys is None else keys),
            aws_conn_id=pipeline.aws_conn_id,
            region_name=pipeline.region,
            botocore_config=BOTOCORE_CONFIG,
            poke_interval=POKE_SECONDS,
            deferrable=True,
            **kwargs,
        )
        self.pipeline = pipeline

    def look_and_act(self, context: Any, ended: WaitEnded | None) -> None:
        """Look for the files; wait while there is time left; skip when there is none.

        Args:
            context: The task's context.
            ended: How the wait has ended; None on a new try.

        Raises:
            AirflowSkipException: The files are not there and the waiting time is over.
            AirflowFailException: The bucket does not exist.
        """
        if ended is None:
            self._wait_to_begin(context)
        if not self.bucket_key:
            self.log.info("No channel of `data` is waited for.")
            return
        wanted = ", ".join(f"s3://{self.bucket_name}/{key}" for key in self.bucket_key)
        with explained(f"look for {wanted}"):
            found = self.poke(context)
        if found:
            self.log.info("Found %s", wanted)
            return
        self._refuse_missing_bucket()
        left = self._deadline(context) - time.time()
        if left <= 0:
            self.log.info("No new data: %s is not there, and the waiting time is over.", wanted)
            raise AirflowSkipException(f"No new data: {wanted}")
        self.log.info("Not there yet: %s. Waiting until %s.", wanted, _clock(self._deadline(context)))
        self.wait(
            DataTrigger(
                bucket_name=str(self.bucket_name),
                bucket_key=list(self.bucket_key),
                deadline=self._deadline(context),
                poke_interval=self.poke_interval,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                refusals=ended.refusals if ended else 0,
            ),
            left + GRACE_SECONDS,
        )

    def _wait_to_begin(self, context: Any) -> None:
        """Wait until it is this pipeline's minute, where those of one schedule are spread."""
        begins = begins_at(self.pipeline, context["dag_run"], self.run_of(context).scheduled_for)
        left = begins - time.time()
        if left > 0:
            self.log.info("Waiting until %s: spread_minutes spreads the pipelines of one schedule.", _clock(begins))
            self.wait(StartTrigger(begins), left + GRACE_SECONDS)

    def _refuse_missing_bucket(self) -> None:
        """Fail where there is no bucket: HeadObject says the same of it as of a file that may still come, a bare 404.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
        """
        with explained(f"look for bucket {self.bucket_name}"):
            try:
                self.hook.conn.head_bucket(Bucket=self.bucket_name)
            except ClientError as error:
                if is_denied(error):
                    self.log.warning("May not look for bucket %s, so whether it exists is not known.", self.bucket_name)
                elif code_of(error) in _MISSING:
                    raise AirflowFailException(
                        f'Bucket "{self.bucket_name}" does not exist, so no data can come. Create it, or correct '
                        "`bucket` in the pipeline file; then clear this task."
                    ) from error
                else:
                    raise

    def _deadline(self, context: Any) -> float:
        chosen = (context.get("params") or {}).get("wait_minutes")
        minutes = self.pipeline.wait_minutes if chosen is None else int(chosen)
        return (self.run_of(context).scheduled_for + timedelta(minutes=minutes)).timestamp()


def waited_keys(pipeline: Pipeline) -> list[str]:
    """List the S3 keys that a training waits for, each once; templates as the file has them.

    Args:
        pipeline: The pipeline.
    """
    channels = pipeline.data.channels.values()
    found = [channel.wait if isinstance(channel.wait, str) else channel.key for channel in channels if channel.wait]
    return list(dict.fromkeys(found))


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat(timespec="minutes")
