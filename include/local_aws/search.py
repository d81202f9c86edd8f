"""SageMaker's Search, of endpoints: which of them serve a config.

See https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Search.html and, for what an endpoint is found by,
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Endpoint.html. AWS's index may lag behind; this one does
not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from local_aws.lists import paginate
from local_aws.resources import Collection, Json, Request
from local_aws.wire import validation_error

_FOUND_BY = ("EndpointName", "EndpointConfigName", "EndpointStatus")
_TOLD = (*_FOUND_BY, "EndpointArn", "CreationTime", "LastModifiedTime", "FailureReason")
_DEFAULT_PAGE = 100
_MEMBERS = {"Resource", "SearchExpression", "MaxResults", "NextToken"}


class Search:
    """Search of a region.

    Args:
        endpoints: Its endpoints.
    """

    def __init__(self, endpoints: Collection[Any]) -> None:
        self._endpoints = endpoints

    def find(self, request: Request) -> Json:
        """Answer Search.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: AWS would refuse it, or it is not done here.
        """
        filters = _filters_of(request)
        with self._endpoints.region.lock:
            found = [item for item in self._endpoints.items.values() if _is_wanted(item.as_json(), filters)]
            page, token = paginate(
                found,
                key=lambda item: item.last_modified_time,
                descending=True,
                size=request.get("MaxResults", _DEFAULT_PAGE),
                token=request.get("NextToken"),
            )
            told = [item.as_json() for item in page]
        results = [{"Endpoint": {key: each[key] for key in _TOLD if key in each}} for each in told]
        return {"Results": results, **({"NextToken": token} if token else {})}


def _filters_of(request: Request) -> Iterable[Json]:
    if request["Resource"] != "Endpoint":
        raise validation_error(f"local AWS: Search finds Endpoint only, not {request['Resource']}")
    if unknown := set(request) - _MEMBERS:
        raise validation_error(f"local AWS: Search has no {', '.join(sorted(unknown))} here")
    expression: Json = request.get("SearchExpression", {})
    filters: list[Json] = expression.get("Filters", [])
    if set(expression) - {"Filters"} or not filters:
        raise validation_error("local AWS: a SearchExpression has Filters and nothing else here")
    for one in filters:
        if one["Name"] not in _FOUND_BY:
            raise validation_error(f"Unknown property name: {one['Name']}")
        if one.get("Operator", "Equals") not in ("Equals", "In"):
            raise validation_error(f"local AWS: Search has Equals and In here, not {one['Operator']}")
    return filters


def _is_wanted(described: Json, filters: Iterable[Json]) -> bool:
    return all(described.get(one["Name"]) in _values_of(one) for one in filters)


def _values_of(one: Json) -> list[str]:
    return re.split(r"\s*,\s*", one["Value"]) if one.get("Operator") == "In" else [one["Value"]]
