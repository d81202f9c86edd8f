"""Tags of SageMaker resources."""

from __future__ import annotations

from local_aws.resources import Json, Region, Request
from local_aws.wire import validation_error

_MOST_TAGS = 50


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

    def _find(self, arn: str) -> dict[str, str]:
        found = self._region.tags.get(arn)
        if found is None:
            raise validation_error(f'Could not find resource "{arn}".')
        return found


def _as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
