"""The AWS CLI's commands of the runbook, as they stand there, by which a person does without Airflow."""

from __future__ import annotations

import re
import shlex
import time
from datetime import date

import pytest

from aws_cli import Cli
from pipeline_under_test import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
DAY_1, DAY_2, DAY_3 = (date(2019, 3, day) for day in (4, 5, 6))


@pytest.fixture
def aws(pipeline, tmp_path_factory):
    """Runs the page's command that begins so, with the reader's own names in it."""
    cli = Cli(pipeline.aws, tmp_path_factory.mktemp("cli"))

    def run(start, **names):
        given = {"PIPELINE": pipeline.name, "ENDPOINT": pipeline.endpoint_name, "REGION": pipeline.aws.region, **names}
        [command] = re.findall(rf"^ *(aws {start} .*)$", PAGE, re.MULTILINE)
        words = [given.get(word, word) for word in shlex.split(command)]
        return cli(*words[1:])

    return run


def in_service(pipeline):
    deadline = time.monotonic() + 60
    while pipeline.endpoint()["EndpointStatus"] != "InService":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return pipeline.live()


def test_without_airflow_one_call_goes_back_and_a_tag_holds_it(pipeline, aws):
    pipeline.deploy_first(2, (DAY_1, DAY_2, DAY_3))
    listed = aws("sagemaker list-endpoint-configs")["EndpointConfigs"]
    newest, former = [each["EndpointConfigName"] for each in listed]
    assert pipeline.live() == newest

    arn = aws("sagemaker update-endpoint", CONFIG=former)["EndpointArn"]
    assert in_service(pipeline) == former
    aws("sagemaker add-tags", ARN=arn)
    assert pipeline.run(DAY_3).tasks["deploy"] == "skipped"
    assert pipeline.live() == former
    assert pipeline.titles()[-1] == "Deployment on hold"
    assert "(it predicts nonsense)" in pipeline.slack()[-1]


def test_an_endpoint_that_cannot_be_mended_is_described_and_deleted(pipeline, aws):
    pipeline.deploy_first(1, (DAY_1,))
    assert aws("sagemaker describe-endpoint")["EndpointConfigName"] == pipeline.live()
    aws("sagemaker delete-endpoint")
    aws("sagemaker wait endpoint-deleted")
    assert pipeline.listed("list_endpoints", NameContains=pipeline.name) == []
