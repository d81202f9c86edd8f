"""What carries a tag, and who uses an endpoint config: one question each, whatever else the account holds.

SageMaker's lists tell neither, so that an answer from them costs as much as the account is large. Both answers here
come from an index of AWS's, which may lag behind by some time: what was just made may be missing, and what was just
deleted may still be there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fresh_endpoints.aws import tags

# https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html, ResourcesPerPage and
# TagFilters: the most values that a key may have.
_PAGE_SIZE = 100
MOST_VALUES = 20
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Filter.html: the length of a value, in which 15 names of
# 63 characters have room.
_MOST_NAMES = 15

# How the types of SageMaker's resources are called in their ARNs.
CONFIGS, MODELS, ENDPOINTS, TRANSFORM_JOBS = "endpoint-config", "model", "endpoint", "transform-job"
# The tag that has the name as it was given: in ARNs SageMaker writes names in lower case.
_NAMED_BY = {CONFIGS: tags.ENDPOINT_CONFIG, MODELS: tags.MODEL}


@dataclass(frozen=True)
class Tagged:
    """A SageMaker resource that carries a tag.

    Attributes:
        kind: Its type, as its ARN has it.
        name: Its name; in lower case where no tag has it.
        tags: Tag values by tag key.
    """

    kind: str
    name: str
    tags: Mapping[str, str]

    @classmethod
    def of(cls, resource: Mapping[str, Any]) -> Tagged:
        """Read what GetResources tells of one.

        Args:
            resource: One of its ``ResourceTagMappingList``.
        """
        found = {tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}
        kind, _, name = resource["ResourceARN"].split(":", 5)[5].partition("/")
        given = found.get(_NAMED_BY.get(kind, ""), "")
        return cls(kind, given if given.lower() == name else name, found)


def tagged(client: Any, kinds: Sequence[str], having: Mapping[str, Sequence[str]]) -> Iterator[Tagged]:
    """Find the resources that carry tags.

    Args:
        client: A boto3 client of the Resource Groups Tagging API.
        kinds: Types of resources, such as MODELS.
        having: By tag key the values, of which a resource has one for each key; at most 20 for a key.

    Yields:
        Them, in no order.

    Raises:
        botocore.exceptions.ClientError: AWS refused.
        botocore.exceptions.BotoCoreError: AWS could not be reached.
    """
    pages = client.get_paginator("get_resources").paginate(
        TagFilters=[{"Key": key, "Values": list(values)} for key, values in having.items()],
        ResourceTypeFilters=[f"sagemaker:{kind}" for kind in kinds],
        PaginationConfig={"PageSize": _PAGE_SIZE},
    )
    for page in pages:
        yield from map(Tagged.of, page["ResourceTagMappingList"])


def used_configs(client: Any, names: Sequence[str]) -> Iterator[str]:
    """Find which endpoint configs an endpoint serves, whoever's; an update is seen when it has ended.

    Args:
        client: A boto3 SageMaker client.
        names: The endpoint configs that are asked about.

    Yields:
        Names of those that are served.

    Raises:
        botocore.exceptions.ClientError: AWS refused.
        botocore.exceptions.BotoCoreError: AWS could not be reached.
    """
    for few in in_parts(names, _MOST_NAMES):
        serving = {"Name": "EndpointConfigName", "Operator": "In", "Value": ",".join(few)}
        pages = client.get_paginator("search").paginate(
            Resource="Endpoint", SearchExpression={"Filters": [serving]}, PaginationConfig={"PageSize": _PAGE_SIZE}
        )
        for page in pages:
            yield from (found["Endpoint"]["EndpointConfigName"] for found in page.get("Results", []))


def in_parts(names: Sequence[str], size: int = MOST_VALUES) -> Iterator[Sequence[str]]:
    """Cut a list into parts that one request takes.

    Args:
        names: The list.
        size: The longest part.
    """
    return (names[start : start + size] for start in range(0, len(names), size))
