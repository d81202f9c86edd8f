"""Addresses of pages of the AWS console."""

from __future__ import annotations

from urllib.parse import quote


def sagemaker_page(region: str, path: str) -> str:
    """Return the address of a page of the SageMaker console.

    Args:
        region: The AWS region, such as ``ap-northeast-1``.
        path: What follows ``#/``, such as ``jobs/NAME``.
    """
    return f"https://{_host(region)}/sagemaker/home?region={region}#/{quote(path)}"


def log_page(region: str, group: str, stream_prefix: str = "") -> str:
    """Return the address of a log group's streams in the CloudWatch console.

    Args:
        region: The AWS region.
        group: The log group.
        stream_prefix: Only streams whose names start so.
    """
    # The console wants the fragment's parts quoted twice, with $ for %.
    where = quote(quote(group, safe=""), safe="").replace("%", "$")
    if stream_prefix:
        where += quote("?logStreamNameFilter=", safe="").replace("%", "$")
        where += quote(quote(stream_prefix, safe=""), safe="").replace("%", "$")
    return f"https://{_host(region)}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{where}"


def s3_page(region: str, url: str) -> str:
    """Return the address of an object's or a folder's page in the S3 console.

    Args:
        region: The AWS region.
        url: The object, ``s3://bucket/key``, or the folder, whose key ends with a slash.
    """
    bucket, _, key = url.removeprefix("s3://").partition("/")
    kind = "buckets" if key.endswith("/") else "object"
    return f"https://{_host(region)}/s3/{kind}/{bucket}?region={region}&prefix={quote(key)}"


def _host(region: str) -> str:
    domain = "amazonaws.cn" if region.startswith("cn-") else "aws.amazon.com"
    return f"{region}.console.{domain}"
