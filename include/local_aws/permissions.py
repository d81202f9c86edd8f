"""The record of the permissions that were used: which principal needed which IAM action on which resource.

A policy can be held against it. Actions and resources are those of the service authorization reference:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from local_aws.backends import MotoBackends, S3Url
from local_aws.wire import Call, read_json

_SAGEMAKER = re.compile(
    r"(Create|Describe|Update|Stop|Delete|Invoke)(?P<kind>TrainingJob|TransformJob|Model|EndpointConfig|Endpoint)"
    r"(Async|WeightsAndCapacities)?"
)
_SAGEMAKER_TYPES = {
    "TrainingJob": "training-job",
    "TransformJob": "transform-job",
    "Model": "model",
    "EndpointConfig": "endpoint-config",
    "Endpoint": "endpoint",
}
_TAGS = ("Create", "AddTags", "DeleteTags")
# Services that sign under another name than their actions have.
_IAM_NAMES = {"monitoring": "cloudwatch", "tagging": "tag"}
# Operations whose action has another name.
_S3_ACTIONS = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListBuckets": "ListAllMyBuckets",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}


@dataclass(frozen=True)
class Permission:
    """One thing that IAM is asked.

    Attributes:
        action: Such as ``s3:GetObject``.
        resource: ARN; ``*`` where AWS offers no resource level.
        context: Condition keys and values of the request; a list for a key with several values.
    """

    action: str
    resource: str
    context: Mapping[str, str | list[str]] = field(default_factory=dict)


def needed(call: Call, body: bytes, query: str, status: int | None, account_id: str) -> Iterator[Permission]:
    """Tell what permissions a call needs.

    Args:
        call: What was asked.
        body: The request's body.
        query: The request's query string.
        status: HTTP status of the answer; None where there was none.
        account_id: Whose resources they are.

    Yields:
        The permissions; none for what needs none (Slack, sts:GetCallerIdentity).
    """
    if call.service == "sagemaker":
        yield from _sagemaker(call, body, account_id)
    elif call.service == "s3":
        yield from _s3(call, query, status)
    elif call.service == "logs":
        group = f"arn:aws:logs:{call.region}:{account_id}:log-group:{call.parameters.get('logGroupName', '*')}"
        stream = call.parameters.get("logStreamName")
        yield Permission(f"logs:{call.operation}", f"{group}:log-stream:{stream}" if stream else group)
    elif call.service != "slack" and call.operation != "GetCallerIdentity":
        service = _IAM_NAMES.get(call.service, call.service)
        yield Permission(f"{service}:{call.operation}", "*", {"aws:RequestedRegion": call.region})


def _sagemaker(call: Call, body: bytes, account_id: str) -> Iterator[Permission]:
    context: dict[str, str | list[str]] = {"aws:RequestedRegion": call.region}
    if call.operation.startswith(_TAGS) and (keys := _tag_keys(body)):
        context["aws:TagKeys"] = keys
    action = f"sagemaker:{call.operation}"
    if not (match := _SAGEMAKER.fullmatch(call.operation)):
        yield Permission(action, call.parameters.get("ResourceArn", "*"), context)
        return
    prefix = f"arn:aws:sagemaker:{call.region}:{account_id}"
    kind = match["kind"]
    arn = f"{prefix}:{_SAGEMAKER_TYPES[kind]}/{call.parameters.get(f'{kind}Name', '').lower()}"
    yield Permission(action, arn, context)
    if kind == "Endpoint" and (config := call.parameters.get("EndpointConfigName")):
        yield Permission(action, f"{prefix}:endpoint-config/{config.lower()}", context)
    if call.operation.startswith("Create"):
        if "aws:TagKeys" in context:
            yield Permission("sagemaker:AddTags", arn, context)
        for member in ("RoleArn", "ExecutionRoleArn"):
            if role := call.parameters.get(member):
                yield Permission("iam:PassRole", role, {"iam:PassedToService": "sagemaker.amazonaws.com"})


def _tag_keys(body: bytes) -> list[str]:
    """Return the keys of the tags that a request sets or removes; none of one that is refused for its form."""
    try:
        content = read_json(body)
        return sorted({*(tag["Key"] for tag in content.get("Tags", [])), *content.get("TagKeys", [])})
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def _s3(call: Call, query: str, status: int | None) -> Iterator[Permission]:
    action = f"s3:{_S3_ACTIONS.get(call.operation, call.operation)}"
    bucket = f"arn:aws:s3:::{call.parameters.get('Bucket', '*')}"
    if key := call.parameters.get("Key"):
        yield Permission(action, f"{bucket}/{key}")
        if action == "s3:GetObject" and status == 404:  # without this one S3 says 403 of an object that is not there
            yield Permission("s3:ListBucket", bucket)
    else:
        prefixes = parse_qs(query).get("prefix", [])
        yield Permission(action, bucket, {"s3:prefix": prefixes[0]} if prefixes else {})


class PermissionRecord:
    """The permissions used, as JSON lines in a file of its own; each different one once. Thread-safe.

    Members of a line: ``principal`` (an access key id, or a role's ARN), ``action``, ``resource``, ``context``, and
    ``used_by``, the job or model whose container used it, null for calls over HTTP.
    """

    def __init__(self, folder: Path | None) -> None:
        """Open the record.

        Args:
            folder: Where to put the file; None records nothing.
        """
        self._lock = threading.Lock()
        self._written: set[str] = set()
        self._path: Path | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(".jsonl", dir=folder)
            os.close(handle)
            self._path = Path(name)

    def note(self, principal: str | None, permission: Permission, used_by: str | None = None) -> None:
        """Note that a permission was used.

        Args:
            principal: Who used it; None for a request that was not signed.
            permission: The permission.
            used_by: ARN of the job or model whose container it was.
        """
        if self._path is None:
            return
        entry: dict[str, Any] = {"principal": principal, **asdict(permission), "used_by": used_by}
        line = json.dumps(entry, sort_keys=True)
        with self._lock:
            if line not in self._written:
                self._written.add(line)
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(f"{line}\n")


class RoleS3:
    """S3 as a container uses it: under an execution role, and recorded."""

    def __init__(self, backends: MotoBackends, record: PermissionRecord, role: str, used_by: str) -> None:
        """Take a role.

        Args:
            backends: Where the objects are.
            record: Where each use is noted.
            role: ARN of the execution role.
            used_by: ARN of the job or model.
        """
        self._backends = backends
        self._record = record
        self._role = role
        self._used_by = used_by

    def keys(self, prefix: S3Url) -> list[str]:
        """List objects; see MotoBackends.keys."""
        self._note("s3:ListBucket", prefix.bucket, {"s3:prefix": prefix.key})
        return self._backends.keys(prefix)

    def read(self, url: S3Url) -> bytes:
        """Read an object; see MotoBackends.read."""
        self._note("s3:GetObject", f"{url.bucket}/{url.key}")
        return self._backends.read(url)

    def write(self, url: S3Url, content: bytes) -> None:
        """Write an object; see MotoBackends.write."""
        self._note("s3:PutObject", f"{url.bucket}/{url.key}")
        self._backends.write(url, content)

    def _note(self, action: str, resource: str, context: Mapping[str, str] | None = None) -> None:
        self._record.note(self._role, Permission(action, f"arn:aws:s3:::{resource}", context or {}), self._used_by)
