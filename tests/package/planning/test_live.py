"""What a plan changes of what is live, as AWS describes it."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from fresh_endpoints import __main__ as commands

DAY = dt.date(2019, 3, 4)


@pytest.fixture
def compared(pipeline, capsys):
    def compared():
        capsys.readouterr()
        assert commands.main(["plan", pipeline.name, "--date", "2019-03-05", "--live", "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return compared


def changes_of(plan):
    return [item["operation"] for item in plan["requests"] if item["operation"].endswith("Endpoint")]


def test_live_shows_what_the_next_run_would_change(pipeline, compared):
    pipeline.deploy_first(1, [DAY])
    live = pipeline.live()
    plan = compared()
    assert plan["live"] == {
        "endpoint": pipeline.name,
        "status": "InService",
        "endpoint_config": live,
        "changes": {},
    }
    assert changes_of(plan) == ["UpdateEndpoint"]

    def change(content):
        [variant] = content["endpoint_config"]["ProductionVariants"]
        variant["InstanceType"] = "ml.m5.large"
        content["model"] = {"PrimaryContainer": {"Environment": {"MODE": "fast"}}}
        content["training"].pop("EnableNetworkIsolation")

    pipeline.write(change)
    assert compared()["live"]["changes"] == {
        "CreateModel": ["- EnableNetworkIsolation: True", "+ PrimaryContainer.Environment.MODE: 'fast'"],
        "CreateEndpointConfig": [
            "- ProductionVariants[0].InstanceType: 'ml.m4.xlarge'",
            "+ ProductionVariants[0].InstanceType: 'ml.m5.large'",
        ],
    }

    pipeline.sagemaker.delete_model(ModelName=live)
    found = compared()["live"]
    assert list(found["changes"]) == ["CreateEndpointConfig"]
    assert found["note"] == "Model of what is live: deleted, so not compared"


def test_without_an_endpoint_the_next_run_creates_it(pipeline, compared):
    plan = compared()
    assert plan["live"] == {"endpoint": pipeline.name, "status": None, "endpoint_config": None, "changes": {}}
    assert changes_of(plan) == ["CreateEndpoint"]


def test_what_aws_does_not_tell_is_said(pipeline, capsys):
    pipeline.aws.add_faults({"operation": "DescribeEndpoint", "kind": "denied"})
    try:
        assert commands.main(["plan", pipeline.name, "--live"]) == 1
    finally:
        pipeline.aws.clear_faults()
    said = capsys.readouterr()
    assert said.out == ""
    assert f"The plan of {pipeline.name} cannot be told: " in said.err
