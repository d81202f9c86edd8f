"""What all SageMaker resources have in common: names, ARNs, tags, times, lists, and what AWS says when one is missing.

Lock discipline: ``Region.lock`` guards every resource of the region. It is held for reading and changing state and
never while something waits (a process, S3, a model's answer). moto's lock is never taken while it is held.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar

from local_aws.backends import MotoBackends, S3Url, StorageError
from local_aws.container_host import ContainerHost
from local_aws.faults import Faults
from local_aws.lists import FILTERS, list_page
from local_aws.permissions import PermissionRecord, RoleS3
from local_aws.settings import Settings
from local_aws.unsupported import refuse_unsupported
from local_aws.wire import AwsError, validation_error

Request = dict[str, Any]
Json = dict[str, Any]
INTERNAL_ERROR = "InternalServerError: We encountered an internal error. Please try again."
NOT_SAVED = {"saved": False}  # metadata of fields that only the running server has


@dataclass
class Region:
    """One region's SageMaker: what its resources share.

    Attributes:
        name: The region's name.
        settings: The server's options.
        host: Where programs run.
        backends: S3 and CloudWatch Logs.
        faults: Faults in force.
        permissions: The record of what containers use.
        on_change: Called after each change of a resource; must be quick and take no lock.
        lock: Guards all resources of the region.
        tags: ARN to tags.
    """

    name: str
    settings: Settings
    host: ContainerHost
    backends: MotoBackends
    faults: Faults
    permissions: PermissionRecord
    on_change: Callable[[], None]
    lock: threading.RLock = field(default_factory=threading.RLock)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)

    def arn(self, kind: str, name: str) -> str:
        """Make a SageMaker ARN.

        Args:
            kind: For example ``training-job``.
            name: The resource's name. AWS writes it in lower case in ARNs.

        Returns:
            The ARN.
        """
        return f"arn:aws:sagemaker:{self.name}:{self.settings.account_id}:{kind}/{name.lower()}"

    def s3(self, role: str, used_by: str) -> RoleS3:
        """Give a container its way to S3.

        Args:
            role: ARN of its execution role.
            used_by: ARN of the job or model that it belongs to.

        Returns:
            S3 under that role.
        """
        return RoleS3(self.backends, self.permissions, role, used_by)

    def refuse_without_objects(self, url: str, role: str, used_by: str) -> None:
        """Refuse a job whose input is not there, as AWS does when the job is created.

        Args:
            url: The S3 URL of its input.
            role: ARN of the execution role.
            used_by: ARN of the job.

        Raises:
            AwsError: No object's key begins with the URL's, or the URL is none.
        """
        source = parse_s3_url(url)
        try:
            found = bool(self.s3(role, used_by).keys(source))
        except StorageError:
            found = False
        if not found:
            raise validation_error(
                f'No S3 objects found under S3 URL "{url}" given in input data source. Please ensure that the bucket '
                f"exists in the selected region ({self.name}), that objects exist under that S3 prefix, and that the "
                f'role "{role}" has "s3:ListBucket" permissions on bucket "{source.bucket}".'
            )


@dataclass
class Resource:
    """One named thing.

    Attributes:
        name: Its name.
        arn: Its ARN.
        request: The Create request that made it, without tags.
        creation_time: Epoch seconds.
        last_modified_time: Epoch seconds; moves with every change of status.
        on_change: Called by :meth:`touch`.
    """

    name: str
    arn: str
    request: Request
    creation_time: float = field(default_factory=time.time)
    last_modified_time: float = field(default_factory=time.time)
    on_change: Callable[[], None] = field(default=lambda: None, repr=False, metadata=NOT_SAVED)

    @property
    def status(self) -> str:
        """The status, for what has one."""
        return ""

    def saved(self) -> Json:
        """Describe it for the state folder. The caller holds the region's lock.

        Returns:
            A copy of its fields as JSON, but for those that only the running server has.
        """
        kept = [member.name for member in fields(self) if member.metadata != NOT_SAVED]
        return {name: copy.deepcopy(getattr(self, name)) for name in kept}

    def touch(self) -> float:
        """Note a change.

        Returns:
            Its time, epoch seconds.
        """
        self.last_modified_time = max(time.time(), self.last_modified_time)
        self.on_change()
        return self.last_modified_time


R = TypeVar("R", bound=Resource)


@dataclass(frozen=True)
class Kind:
    """How one kind of resource is called.

    Attributes:
        arn: Word in the ARN.
        member: The request member that names one.
        listed: The output member of the List operation.
        noun: AWS's word in error messages.
        status_member: The output member that holds the status; empty for what has none.
    """

    arn: str
    member: str
    listed: str
    noun: str
    status_member: str = ""


class Collection(Generic[R]):
    """All resources of one kind in a region.

    Attributes:
        kind: How they are called.
        resource: Their class.
        region: Where they are.
        items: Name in lower case (as in ARNs, AWS's names differ in more than case) to resource.
    """

    kind: Kind
    resource: type[R]

    def __init__(self, region: Region) -> None:
        self.region = region
        self.items: dict[str, R] = {}

    def find(self, name: str) -> R:
        """Get one. The caller holds the region's lock.

        Args:
            name: Its name.

        Returns:
            The resource.

        Raises:
            AwsError: There is none.
        """
        found = self.items.get(name.lower())
        if found is None:
            raise self.not_found(name)
        return found

    def not_found(self, name: str) -> AwsError:
        """Make AWS's error for a missing one.

        Args:
            name: Its name.

        Returns:
            The error.
        """
        return validation_error(f'Could not find {self.kind.noun} "{self.region.arn(self.kind.arn, name)}".')

    def already_exists(self, name: str) -> AwsError:
        """Make AWS's error for a name that is taken.

        Args:
            name: The name.

        Returns:
            The error.
        """
        return validation_error(
            f'Cannot create already existing {self.kind.noun} "{self.region.arn(self.kind.arn, name)}".'
        )

    def add(self, resource: R, tags: list[dict[str, str]]) -> str:
        """Add a new one. The caller holds the region's lock.

        Args:
            resource: The resource.
            tags: Its tags, as the request has them.

        Returns:
            Its ARN.

        Raises:
            AwsError: The name is taken.
        """
        if resource.name.lower() in self.items:
            raise self.already_exists(resource.name)
        self._take(resource)
        self.region.tags[resource.arn] = {tag["Key"]: tag["Value"] for tag in tags}
        return resource.arn

    def remove(self, name: str) -> None:
        """Forgets one and its tags. The caller holds the region's lock.

        Args:
            name: Its name.

        Raises:
            AwsError: There is none.
        """
        resource = self.find(name)
        del self.items[name.lower()]
        self.region.tags.pop(resource.arn, None)
        self.region.on_change()

    def saved(self) -> list[Json]:
        """Describe all for the state folder. The caller holds the region's lock.

        Returns:
            The resources.
        """
        return [item.saved() for item in self.items.values()]

    def restore(self, saved: list[Json]) -> None:
        """Take what :meth:`saved` described. Only at the start: no request is answered yet.

        Args:
            saved: The resources. What was under way when they were saved ends as a fault of AWS's own.
        """
        for entry in saved:
            self._take(self.restored(entry))

    def restored(self, saved: Json) -> R:
        """Make a resource again.

        Args:
            saved: What its ``saved`` described.

        Returns:
            It.
        """
        return self.resource(**saved)

    def _take(self, resource: R) -> None:
        resource.on_change = self.region.on_change
        self.items[resource.name.lower()] = resource

    def list_page(self, request: Request) -> Json:
        """Answers a List operation, with its filters, order and pages.

        Args:
            request: The operation's input.

        Returns:
            The operation's output.

        Raises:
            AwsError: NextToken is not one of ours, or local AWS has no such filter.
        """
        operation = f"List{self.kind.member.removesuffix('Name')}s"
        refuse_unsupported(operation, request, dict.fromkeys(FILTERS))
        with self.region.lock:
            page, token = list_page(self.items.values(), request)
            return {self.kind.listed: [self.summary(item) for item in page]} | ({"NextToken": token} if token else {})

    def summary(self, item: R) -> Json:
        """Describe one in a list.

        Args:
            item: The resource.

        Returns:
            Its summary; name, ARN and creation time here, more where a kind has more.
        """
        stem = self.kind.member.removesuffix("Name")
        return {self.kind.member: item.name, f"{stem}Arn": item.arn, "CreationTime": item.creation_time}


def parse_s3_url(text: str) -> S3Url:
    """Read an S3 URL of a request.

    Args:
        text: The URL.

    Returns:
        It.

    Raises:
        AwsError: It is none.
    """
    try:
        return S3Url.parse(text)
    except ValueError as error:
        raise validation_error(str(error)) from error
