"""Which resources carry a tag (the Resource Groups Tagging API), and which endpoints serve a config (Search)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.process import LocalAws
from sagemaker_requests import new_config, new_model


def test_resources_are_found_by_their_tags_and_types_page_by_page(aws: LocalAws, bucket: str) -> None:
    sagemaker, value = aws.client("sagemaker"), uuid.uuid4().hex
    arns = []
    for _ in range(3):
        name = new_model(aws, bucket, "good")
        arns.append(sagemaker.describe_model(ModelName=name)["ModelArn"])
        sagemaker.add_tags(ResourceArn=arns[-1], Tags=[{"Key": "whose", "Value": value}, {"Key": "x", "Value": "1"}])
    config = new_config(aws, name)
    arn = sagemaker.describe_endpoint_config(EndpointConfigName=config)["EndpointConfigArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "whose", "Value": value}])
    pages = aws.client("resourcegroupstaggingapi").get_paginator("get_resources")

    def found(*kinds: str, **more: Any) -> set[str]:
        filters = [{"Key": "whose", "Values": [value, "nobody"]}, *more.get("filters", [])]
        answers = pages.paginate(TagFilters=filters, ResourceTypeFilters=list(kinds), PaginationConfig={"PageSize": 2})
        return {each["ResourceARN"] for answer in answers for each in answer["ResourceTagMappingList"]}

    assert found() == {*arns, arn}
    assert found("sagemaker:endpoint-config") == {arn}
    assert found("sagemaker:model", "sagemaker:endpoint", filters=[{"Key": "x"}]) == set(arns)


def test_what_the_tagging_api_does_not_do_here_is_refused(aws: LocalAws) -> None:
    client = aws.client("resourcegroupstaggingapi")
    with pytest.raises(ClientError, match="it answers GetResources"):
        client.get_tag_keys()
    with pytest.raises(ClientError, match="SageMaker's resources only"):
        client.get_resources(ResourceTypeFilters=["s3"])
    with pytest.raises(ClientError, match="has no ResourceARNList"):
        client.get_resources(ResourceARNList=["arn:aws:s3:::b"])


def test_endpoints_are_found_by_the_config_that_they_serve(aws: LocalAws, configs: dict[str, str]) -> None:
    sagemaker, name = aws.client("sagemaker"), f"e-{uuid.uuid4().hex[:8]}"
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=configs["good"])

    def serving(value: str, operator: str = "In") -> set[str]:
        wanted = {"Name": "EndpointConfigName", "Operator": operator, "Value": value}
        found = sagemaker.search(Resource="Endpoint", SearchExpression={"Filters": [wanted]})["Results"]
        return {each["Endpoint"]["EndpointName"] for each in found}

    try:
        assert name in serving(f"{configs['better']},{configs['good']}")
        assert name in serving(configs["good"], "Equals")
        assert name not in serving(configs["better"])
    finally:
        sagemaker.get_waiter("endpoint_in_service").wait(
            EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        sagemaker.delete_endpoint(EndpointName=name)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"Resource": "Model", "SearchExpression": {"Filters": [{"Name": "x", "Value": "y"}]}}, "finds Endpoint only"),
        ({"Resource": "Endpoint"}, "has Filters and nothing else"),
        (
            {"Resource": "Endpoint", "SearchExpression": {"Filters": [{"Name": "Foo", "Value": "y"}]}},
            "Unknown property name: Foo",
        ),
    ],
)
def test_what_search_does_not_do_here_is_refused(aws: LocalAws, request_: dict[str, Any], said: str) -> None:
    with pytest.raises(ClientError, match=said):
        aws.client("sagemaker").search(**request_)
