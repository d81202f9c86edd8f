from __future__ import annotations

import pytest

from local_aws.backends import MotoBackends, S3Url, StorageError


@pytest.mark.parametrize(
    ("url", "bucket", "key"),
    [
        ("s3://bucket/a/b.csv", "bucket", "a/b.csv"),
        ("s3://bucket", "bucket", ""),
        ("https://s3.ap-northeast-1.amazonaws.com/bucket/a/b.csv", "bucket", "a/b.csv"),
    ],
)
def test_s3_urls_are_read(url: str, bucket: str, key: str) -> None:
    assert S3Url.parse(url) == S3Url(bucket, key)


def test_what_is_no_s3_url_is_refused() -> None:
    with pytest.raises(ValueError, match="'file:///etc/passwd' is not an S3 URL"):
        S3Url.parse("file:///etc/passwd")


@pytest.mark.parametrize(
    ("prefix", "key", "relative"),
    [
        ("day/", "day/x/iris.csv", "x/iris.csv"),
        ("day", "day/x/iris.csv", "x/iris.csv"),
        ("day/iris.csv", "day/iris.csv", "iris.csv"),
        ("day/ir", "day/iris.csv", "iris.csv"),
        ("", "iris.csv", "iris.csv"),
    ],
)
def test_objects_keep_their_place_below_the_prefix(prefix: str, key: str, relative: str) -> None:
    assert S3Url("bucket", prefix).relative(key) == relative


def test_a_missing_bucket_or_key_is_told_in_s3s_words() -> None:
    backends = MotoBackends("000000000042")
    with pytest.raises(StorageError, match=r"NoSuchBucket \(404\)"):
        backends.read(S3Url("no-such-bucket", "key"))
    with pytest.raises(StorageError, match="NoSuchBucket"):
        backends.keys(S3Url("no-such-bucket", ""))
