"""S3's buckets and objects as JSON and contents, out of moto and back."""

from __future__ import annotations

import datetime as dt
import weakref
from typing import Any

from local_aws.backends import MotoBackends
from local_aws.resources import Json
from local_aws.state import StateFolder

_BUCKET = ("versioning_status", "encryption")
_OBJECT = (
    "_storage_class",
    "_etag",
    "_version_id",
    "_is_versioned",
    "encryption",
    "kms_key_id",
    "bucket_key_enabled",
    "checksum_algorithm",
    "checksum_value",
    "checksum_type",
    "checksum_parts",
)


class S3State:
    """Saves and restores S3. Objects do not change once they are put, so each content is written only once."""

    def __init__(self, backends: MotoBackends, folder: StateFolder) -> None:
        self._backends = backends
        self._folder = folder
        self._digests: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()

    def saved(self) -> tuple[Json, set[str]]:
        """Describe all buckets; write contents that the folder does not have yet.

        Returns:
            Bucket name to bucket, and the digests of all contents.

        Raises:
            OSError: The disk refused.
        """
        buckets: Json = {}
        unwritten: list[tuple[Any, bytes, Json]] = []
        digests: set[str] = set()
        with self._backends.lock:
            s3 = self._backends.s3()
            for name, bucket in s3.buckets.items():
                buckets[name] = _bucket_as_json(s3, bucket)
                for key, versions in bucket.keys.lists():
                    entries = [_version_as_json(s3, version) for version in versions]
                    buckets[name]["objects"][key] = entries
                    for version, entry in zip(versions, entries, strict=True):
                        if "metadata" not in entry:
                            continue
                        if version in self._digests:
                            entry["content"] = self._digests[version]
                            digests.add(entry["content"])
                        else:
                            unwritten.append((version, version.value, entry))
        for version, content, entry in unwritten:  # moto's lock is free again: disks are slow
            entry["content"] = self._digests[version] = self._folder.put(content)
            digests.add(entry["content"])
        return buckets, digests

    def restore(self, saved: Json) -> None:
        """Make the buckets and objects.

        Args:
            saved: What :meth:`saved` described.

        Raises:
            StateError: A content is missing or damaged.
        """
        if not saved:
            return  # and moto need not be loaded yet
        with self._backends.lock:
            s3 = self._backends.s3()
            for name, described in saved.items():
                bucket = s3.create_bucket(name, described["region"])
                bucket.creation_date = dt.datetime.fromisoformat(described["creation_date"])
                bucket.policy = described["policy"].encode() if described["policy"] is not None else None
                for attribute in _BUCKET:
                    setattr(bucket, attribute, described[attribute])
                _tag(s3, bucket.arn, described["tags"])
                for key, entries in described["objects"].items():
                    bucket.keys.setlist(key, [self._version(s3, bucket, key, entry) for entry in entries])

    def _version(self, s3: Any, bucket: Any, key: str, entry: Json) -> Any:
        from moto.s3.models import FakeDeleteMarker, FakeKey

        content = self._folder.get(entry["content"]) if "content" in entry else b""
        version: Any = FakeKey(key, content, s3.account_id, bucket.region_name, bucket_name=bucket.name)
        if "content" in entry:
            version.metadata.update(entry["metadata"])
            for attribute in _OBJECT:
                setattr(version, attribute, entry[attribute])
            _tag(s3, version.arn, entry["tags"])
            self._digests[version] = entry["content"]
        else:
            version = FakeDeleteMarker(version)
            version._version_id = entry["_version_id"]
        version.last_modified = dt.datetime.fromisoformat(entry["last_modified"])
        return version


def _bucket_as_json(s3: Any, bucket: Any) -> Json:
    return {
        "region": bucket.region_name,
        "creation_date": bucket.creation_date.isoformat(),
        "policy": bucket.policy.decode() if bucket.policy is not None else None,
        **{attribute: getattr(bucket, attribute) for attribute in _BUCKET},
        "tags": s3.tagger.get_tag_dict_for_resource(bucket.arn),
        "objects": {},
    }


def _version_as_json(s3: Any, version: Any) -> Json:
    told = {"_version_id": version._version_id, "last_modified": version.last_modified.isoformat()}
    if not hasattr(version, "metadata"):  # a delete marker
        return told
    return {
        **told,
        **{attribute: getattr(version, attribute) for attribute in _OBJECT},
        "metadata": dict(version.metadata),
        "tags": s3.tagger.get_tag_dict_for_resource(version.arn),
    }


def _tag(s3: Any, arn: str, tags: dict[str, str]) -> None:
    s3.tagger.tag_resource(arn, s3.tagger.convert_dict_to_tags_input(tags))
