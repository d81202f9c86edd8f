"""AWS's answers with nothing in them but what its model promises, and what the package cannot do without."""

from __future__ import annotations

from datetime import date

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from botocore.client import BaseClient

from fresh_endpoints.model_facts import model_facts

DAYS = [date(2019, 3, day) for day in (4, 5, 6)]

# By operation: optional members without which there is nothing to deploy, each with what is needed of what it holds;
# None for all of it.
NEEDED = {
    "DescribeTrainingJob": {"AlgorithmSpecification": None, "RoleArn": None},
    "DescribeEndpoint": {"EndpointConfigName": None},
    "ListTags": {"Tags": None},
    "Search": {"Results": {"Endpoint": {}}},
}
PRUNED = ("DescribeTrainingJob", "DescribeTransformJob", "DescribeModel", "DescribeEndpoint", "Search")


def only_required(shape, value, needed):
    if shape.type_name == "list":
        return [only_required(shape.member, item, needed) for item in value]
    if shape.type_name != "structure" or needed is None:
        return value
    kept = {*needed, *shape.required_members, "ResponseMetadata", "NextToken"}
    return {
        name: only_required(shape.members[name], item, needed.get(name, {})) if name in shape.members else item
        for name, item in value.items()
        if name in kept
    }


@pytest.fixture
def frugal(fast, monkeypatch):
    """A pipeline whose AWS leaves out what it may."""
    call = BaseClient._make_api_call

    def answer(client, operation, parameters):
        answered = call(client, operation, parameters)
        is_pruned = operation in PRUNED or operation.startswith("List")
        if client.meta.service_model.service_name == "sagemaker" and is_pruned:
            shape = client.meta.service_model.operation_model(operation).output_shape
            return only_required(shape, answered, NEEDED.get(operation, {}))
        return answered

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    return fast


def test_a_run_after_another_trains_deploys_cleans_up_and_predicts(frugal):
    frugal.write(lambda content: content.update(retention={"keep": 1}))
    asked = frugal.aws.count("Search")
    for day in DAYS:
        frugal.upload(day)
        assert frugal.run(day).state == "success"
        ended = frugal.predict(data_date=str(day))
        assert ended.state == "success"
        folder = f"s3://sample-bucket/output-prediction/{day}/{frugal.name}/"
        assert ended.returned["predict"]["output"] == folder + "iris.csv.out"
    assert frugal.aws.count("Search") > asked
    assert frugal.live() == frugal.jobs()[-1]["TrainingJobName"]
    kept = [config["EndpointConfigName"] for config in frugal.listed("list_endpoint_configs")]
    assert frugal.jobs()[0]["TrainingJobName"] not in kept


@pytest.mark.parametrize("artifacts", [{}, {"ModelArtifacts": {}}, {"ModelArtifacts": {"S3ModelArtifacts": ""}}])
def test_a_completed_training_without_a_model_is_a_clear_error(artifacts):
    job = {"TrainingJobName": "iris-2019-03-04-1a2b3c4d", "TrainingJobArn": "arn", **artifacts}
    with pytest.raises(AirflowFailException, match=r"iris-2019-03-04-1a2b3c4d is Completed, but .* names no model"):
        model_facts(None, job)
