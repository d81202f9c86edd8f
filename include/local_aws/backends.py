"""moto's S3, CloudWatch and Application Auto Scaling, from inside the same process.

moto's backends are not thread-safe, so one lock, ``MotoBackends.lock``, is held for every use of moto, over HTTP and
from here. Whoever holds it takes no other lock and waits for nothing.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_S3_URL = re.compile(
    r"s3://(?P<bucket>[^/]+)/?(?P<key>.*)|https://[^/]*amazonaws\.com/(?P<path_bucket>[^/]+)/?(?P<path>.*)"
)

_INSTANCE_COUNT = "sagemaker:variant:DesiredInstanceCount"  # the ScalableDimension of a variant


class StorageError(Exception):
    """S3 refused; ``str()`` is S3's own code, status and sentence."""


@dataclass(frozen=True)
class S3Url:
    """A place in S3.

    Attributes:
        bucket: Bucket name.
        key: Object key or key prefix; may be empty.
    """

    bucket: str
    key: str

    @classmethod
    def parse(cls, url: str) -> S3Url:
        """Read an S3 URL.

        Args:
            url: ``s3://bucket/key`` or a path-style https URL.

        Returns:
            The place.

        Raises:
            ValueError: It is neither.
        """
        match = _S3_URL.fullmatch(url)
        if not match:
            raise ValueError(f"{url!r} is not an S3 URL such as s3://bucket/key")
        return cls(match["bucket"] or match["path_bucket"], match["key"] or match["path"] or "")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def relative(self, key: str) -> str:
        """Tell where an object of this prefix lies below it.

        ``s3://b/day/`` and ``s3://b/day`` both give ``iris.csv`` for ``day/iris.csv``; a full key gives the file name.

        Args:
            key: Key of an object that the prefix matches.

        Returns:
            A relative path.
        """
        if self.key.endswith("/") or not self.key:
            return key[len(self.key) :]
        if key.startswith(f"{self.key}/"):
            return key[len(self.key) + 1 :]
        return key[self.key.rfind("/") + 1 :]


class MotoBackends:
    """S3 objects, log events, alarms and scaling targets of one account.

    Attributes:
        lock: Held while moto works.
    """

    def __init__(self, account_id: str) -> None:
        self.lock = threading.RLock()
        self._account_id = account_id

    def s3(self) -> Any:
        """Get moto's S3. The caller holds the lock.

        Returns:
            The backend of the account.
        """
        # Imported late: the server must listen before moto has loaded.
        from moto.backends import get_backend

        return get_backend("s3")[self._account_id]["aws"]

    def keys(self, prefix: S3Url) -> list[str]:
        """List the objects whose keys begin with a prefix.

        Args:
            prefix: Bucket and key prefix.

        Returns:
            Their keys, sorted; without "folders" (keys that end with a slash).

        Raises:
            StorageError: There is no such bucket.
        """
        with self.lock:
            bucket = self._bucket(prefix.bucket)
            keys = [str(key) for key in bucket.keys if self.s3().get_object(prefix.bucket, str(key)) is not None]
        return sorted(key for key in keys if key.startswith(prefix.key) and not key.endswith("/"))

    def read(self, url: S3Url) -> bytes:
        """Read an object.

        Args:
            url: Bucket and key.

        Returns:
            Its content.

        Raises:
            StorageError: There is no such bucket or object.
        """
        with self.lock:
            self._bucket(url.bucket)
            found = self.s3().get_object(url.bucket, url.key)
            if found is None:
                raise StorageError("NoSuchKey (404): The specified key does not exist.")
            return bytes(found.value)

    def write(self, url: S3Url, content: bytes) -> None:
        """Write an object.

        Args:
            url: Bucket and key.
            content: What it is to hold.

        Raises:
            StorageError: There is no such bucket.
        """
        with self.lock:
            self._bucket(url.bucket)
            self.s3().put_object(url.bucket, url.key, content)

    def log(self, region: str, group: str, stream: str, messages: Iterable[str]) -> None:
        """Append events to a CloudWatch Logs stream, which is made where it is missing.

        Args:
            region: Region of the log group.
            group: Log group.
            stream: Log stream.
            messages: One per event. Empty ones are left out, as CloudWatch Logs takes none.
        """
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": message} for message in messages if message]
        with self.lock:
            from moto.backends import get_backend

            logs: Any = get_backend("logs")[self._account_id][region]
            if group not in logs.groups:
                logs.create_log_group(group, {})
            logs.ensure_log_stream(group, stream)
            if events:
                logs.put_log_events(group, stream, events)

    def put_metrics(
        self, region: str, namespace: str, dimensions: Mapping[str, str], values: Iterable[tuple[str, float]]
    ) -> None:
        """Put values of now into CloudWatch.

        Args:
            region: Their region.
            namespace: Their namespace.
            dimensions: Name to value of each dimension.
            values: Metric and value; what is no finite number is left out, as CloudWatch takes none.
        """
        named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        data = [
            {"MetricName": name, "Value": value, "Dimensions": named} for name, value in values if math.isfinite(value)
        ]
        if not data:
            return
        with self.lock:
            from moto.backends import get_backend

            get_backend("cloudwatch")[self._account_id][region].put_metric_data(namespace, data)

    def alarms(self, region: str) -> dict[str, str]:
        """Tell how CloudWatch's alarms are.

        Args:
            region: Their region.

        Returns:
            Name to state: OK, ALARM or INSUFFICIENT_DATA.
        """
        with self.lock:
            from moto.backends import get_backend

            alarms = get_backend("cloudwatch")[self._account_id][region].alarms.values()
            return {alarm.name: alarm.state_value for alarm in alarms}

    def scaling_targets(self, region: str, endpoint: str) -> list[str]:
        """List an endpoint's variants that Application Auto Scaling scales.

        Args:
            region: Their region.
            endpoint: The endpoint's name.

        Returns:
            The variants' names.
        """
        prefix = f"endpoint/{endpoint}/variant/"
        with self.lock:
            targets = self._autoscaling(region).describe_scalable_targets("sagemaker", None, _INSTANCE_COUNT)
            found = [target.resource_id for target in targets]
        return [name.removeprefix(prefix) for name in found if name.startswith(prefix)]

    def deregister_scaling_targets(self, region: str, endpoint: str) -> None:
        """Have Application Auto Scaling forget an endpoint's variants.

        Args:
            region: Their region.
            endpoint: The endpoint's name.
        """
        with self.lock:
            for variant in self.scaling_targets(region, endpoint):
                self._autoscaling(region).deregister_scalable_target(
                    "sagemaker", f"endpoint/{endpoint}/variant/{variant}", _INSTANCE_COUNT
                )

    def _autoscaling(self, region: str) -> Any:
        from moto.backends import get_backend

        return get_backend("applicationautoscaling")[self._account_id][region]

    def _bucket(self, name: str) -> Any:
        found = self.s3().buckets.get(name)
        if found is None:
            raise StorageError("NoSuchBucket (404): The specified bucket does not exist")
        return found
