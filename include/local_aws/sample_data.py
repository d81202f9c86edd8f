"""The sample data in S3, as the pipeline `multiclass` expects it: the same files for every day."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

BUCKET = "sample-bucket"
_FILES = Path(__file__).resolve().parent.parent / "sample_data"
_KINDS = ("training", "validation", "prediction")
_TIMEZONE = ZoneInfo("Asia/Tokyo")


def upload(s3: Any, region: str, data_dates: Iterable[date], bucket: str = BUCKET) -> list[str]:
    """Put the files of some data dates into a bucket, which is made if missing. What is there stays.

    Args:
        s3: A boto3 S3 client.
        region: The bucket's region.
        data_dates: The days.
        bucket: The bucket.

    Returns:
        The S3 URLs of the objects that were put.
    """
    ensure_bucket(s3, region, bucket)
    urls = []
    for data_date in data_dates:
        for kind, key in zip(_KINDS, keys(data_date), strict=True):
            if s3.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount"):
                continue  # maybe somebody's own
            s3.upload_file(str(_FILES / kind / "iris.csv"), bucket, key)
            urls.append(f"s3://{bucket}/{key}")
    return urls


def ensure_bucket(s3: Any, region: str, bucket: str) -> None:
    """Make a bucket if it is missing.

    Args:
        s3: A boto3 S3 client of the region.
        region: The bucket's region.
        bucket: The bucket.
    """
    if bucket in [found["Name"] for found in s3.list_buckets()["Buckets"]]:
        return
    # S3 takes the name of its first region nowhere:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **where)


def keys(data_date: date) -> list[str]:
    """Return the keys of one data date's objects, in the order in which they are put."""
    return [f"input-data-{kind}/{data_date}/multiclass/iris.csv" for kind in _KINDS]


def recent_days(count: int) -> list[date]:
    """List the latest days in the pipeline's time zone, today included: the next midnight's run trains on it.

    Args:
        count: How many days before today.

    Returns:
        The days, oldest first.
    """
    today = datetime.now(_TIMEZONE).date()
    return [today - timedelta(days=ago) for ago in range(count, -1, -1)]


def client(endpoint_url: str, region: str) -> Any:
    """Return a boto3 client of a local AWS's S3.

    Args:
        endpoint_url: Local AWS's address.
        region: The region.
    """
    import boto3

    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region,
        # Local AWS knows no users; the real AWS refuses these.
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106
    )


def main(arguments: list[str] | None = None) -> int:
    """Put recent days' files into a local AWS.

    Args:
        arguments: Command line without the program's name; None for the process's own.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m local_aws.sample_data", description=__doc__)
    parser.add_argument("--endpoint-url", required=True, help="local AWS's address")
    parser.add_argument("--region", default="ap-northeast-1", help="the bucket's region (default: %(default)s)")
    parser.add_argument("--days", type=int, default=7, help="days before today (default: %(default)s)")
    options = parser.parse_args(arguments)
    s3 = client(options.endpoint_url, options.region)
    for url in upload(s3, options.region, recent_days(options.days)):
        sys.stdout.write(f"Put {url}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
