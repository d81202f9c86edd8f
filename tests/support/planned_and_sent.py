"""What a plan says that a run will send, and what has been sent then."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from fresh_endpoints import __main__ as commands
from fresh_endpoints.aws import tags

DAY = dt.date(2019, 3, 4)


@pytest.fixture
def planned(tmp_path, monkeypatch, capsys):
    """Plan a pipeline of the folder with the date DATE, as JSON."""

    def planned(name, *arguments):
        monkeypatch.setenv("PIPELINES_DIR", str(tmp_path))
        capsys.readouterr()  # What the DAGs have logged.
        assert commands.main(["plan", name, "--date", str(DAY + dt.timedelta(days=1)), "--json", *arguments]) == 0
        return json.loads(capsys.readouterr().out)

    return planned


def of(plan, operation):
    return [item["request"] for item in plan["requests"] if item["operation"] == operation]


class Sent(list):
    """What has left for AWS: operations with their requests, whole; and what AWS has refused of it.

    Attributes:
        refused: Operations with the words of the refusal.
    """

    def __init__(self):
        self.refused = []


@pytest.fixture
def sent(monkeypatch):
    """Every request that leaves for AWS, whole: local AWS's own record keeps names only."""
    requests, make = Sent(), BaseClient._make_api_call

    def recording(self, operation, parameters):
        requests.append((operation, parameters))
        try:
            return make(self, operation, parameters)
        except ClientError as error:
            requests.refused.append((operation, str(error)))
            raise

    monkeypatch.setattr(BaseClient, "_make_api_call", recording)
    return requests


def in_the_plans_words(sent, name):
    """Requests with the plan's names for what no plan can know: run ids, and what is made of them; starts; metrics."""
    unknown = {tags.RUN_ID: "<run id>", tags.RUN_STARTED: "<run start>", tags.METRICS: "<metrics>"}
    unknown[tags.PREVIOUS_CONFIG] = "<live config>"
    jobs = [request["TransformJobName"] for operation, request in sent if operation == "CreateTransformJob"]
    names = dict.fromkeys(jobs, f"{name}-{DAY}-<job id>")

    def said(value):
        if isinstance(value, dict):
            if value.get("Key") in unknown:
                return {**value, "Value": unknown[value["Key"]]}
            if value.get("Key") == tags.MADE:
                return {**value, "Value": re.sub(r"^\S+", "<time>", value["Value"])}
            return {key: said(item) for key, item in value.items()}
        if isinstance(value, list):
            return [said(item) for item in value]
        if isinstance(value, str):
            return names.get(value) or re.sub(rf"({name}-{DAY})-[0-9a-f]{{8}}\b", r"\1-<run id>", value)
        return value

    return [(operation, said(request)) for operation, request in sent]


def changing(operations):
    """Those that make or change something: all else only looks, or is what no plan is about, such as tags."""
    return {operation for operation in operations if operation.startswith(("Create", "Update"))}


def planned_operations(plan):
    return {item["operation"] for item in plan["requests"]} - {"HeadObject"}


def compare(pipeline, plan, sent):
    """Run twice, so that the endpoint is created and then updated, predict, and compare all that was sent."""
    sent.clear()
    assert pipeline.run(DAY).state == "success"
    if of(plan, "CreateTransformJob"):
        assert pipeline.predict(data_date=str(DAY)).state == "success"
    if of(plan, "UpdateEndpoint"):
        assert pipeline.run(DAY, deploy="always").state == "success"
    found = in_the_plans_words(sent, pipeline.name)
    # Whatever is planned was sent, and nothing else.
    assert changing(operation for operation, _ in found) == planned_operations(plan)
    for operation in planned_operations(plan):
        requests = [request for name, request in found if name == operation]
        assert requests == of(plan, operation) * len(requests), operation
    heads = [request for name, request in found if name == "HeadObject"]
    assert all(wanted in heads for wanted in of(plan, "HeadObject"))
