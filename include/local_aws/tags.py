"""Tags of SageMaker resources: SageMaker's own operations, and the Resource Groups Tagging API's."""

from __future__ import annotations

from local_aws.resources import Json, Region, Request
from local_aws.wire import AwsError, validation_error

_MOST_TAGS = 50
# https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
_GET_RESOURCES = {"TagFilters", "ResourceTypeFilters", "ResourcesPerPage", "PaginationToken"}
_MOST_VALUES = 20
_DEFAULT_PAGE = 50


class Tags:
    """AddTags, ListTags and DeleteTags of a region."""

    def __init__(self, region: Region) -> None:
        self._region = region

    def add(self, request: Request) -> Json:
        """Answers AddTags: adds, or overwrites the values of keys that exist.

        Args:
            request: The checked input.

        Returns:
            The output: the tags of the request, as AWS answers; not those that the resource had before.

        Raises:
            AwsError: There is no such resource, or it would have more than 50 tags.
        """
        with self._region.lock:
            tags = self._find(request["ResourceArn"])
            added = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
            if len(tags | added) > _MOST_TAGS:
                # The words are those for a list that is too long; no answer about a resource's total is on record.
                raise validation_error(
                    f"1 validation error detected: Value '{_as_list(tags | added)}' at 'tags' failed to satisfy "
                    f"constraint: Member must have length less than or equal to {_MOST_TAGS}"
                )
            tags.update(added)
            return {"Tags": _as_list(added)}

    def list_all(self, request: Request) -> Json:
        """Answers ListTags. All 50 fit on its smallest page.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: There is no such resource.
        """
        with self._region.lock:
            return {"Tags": _as_list(self._find(request["ResourceArn"]))}

    def delete(self, request: Request) -> Json:
        """Answers DeleteTags. Keys that are not there are not missed.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: There is no such resource.
        """
        with self._region.lock:
            tags = self._find(request["ResourceArn"])
            for key in request["TagKeys"]:
                tags.pop(key, None)
        return {}

    def get_resources(self, request: Request) -> Json:
        """Answer the tagging API's GetResources, of SageMaker's resources.

        A filter of a key without values is of any value.

        Args:
            request: The input.

        Returns:
            The output. AWS's index may lag behind; this one does not.

        Raises:
            AwsError: AWS would refuse it, or it is not done here.
        """
        filters = request.get("TagFilters", [])
        if unknown := set(request) - _GET_RESOURCES:
            raise _invalid(f"local AWS: GetResources has no {', '.join(sorted(unknown))} here")
        if any(len(one.get("Values", [])) > _MOST_VALUES for one in filters):
            raise _invalid(f"a filter has at most {_MOST_VALUES} values")
        kinds = tuple(f":{kind.removeprefix('sagemaker:')}/" for kind in request.get("ResourceTypeFilters", []))
        if kinds and not all(kind.startswith("sagemaker:") for kind in request["ResourceTypeFilters"]):
            raise _invalid("local AWS: GetResources knows SageMaker's resources only, such as sagemaker:model")
        with self._region.lock:
            found = [
                {"ResourceARN": arn, "Tags": _as_list(tags)}
                for arn, tags in sorted(self._region.tags.items())
                if tags
                and (not kinds or any(kind in arn for kind in kinds))
                and all(_has(tags, one) for one in filters)
            ]
        start, size = int(request.get("PaginationToken") or 0), request.get("ResourcesPerPage", _DEFAULT_PAGE)
        rest = str(start + size) if start + size < len(found) else ""
        return {"ResourceTagMappingList": found[start : start + size], "PaginationToken": rest}

    def _find(self, arn: str) -> dict[str, str]:
        found = self._region.tags.get(arn)
        if found is None:
            raise validation_error(f'Could not find resource "{arn}".')
        return found


def _has(tags: dict[str, str], wanted: Json) -> bool:
    return wanted["Key"] in tags and (not wanted.get("Values") or tags[wanted["Key"]] in wanted["Values"])


def _invalid(said: str) -> AwsError:
    return AwsError("InvalidParameterException", said)


def _as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
