"""Addresses in the AWS console."""

from __future__ import annotations

import pytest

from fresh_endpoints.aws.console import log_page, s3_page, sagemaker_page
from fresh_endpoints.steps.buttons import ArtifactLink, TrainingJobLink


class Step:
    addresses = {"Training job": "https://example.com/jobs/iris"}  # noqa: RUF012


@pytest.mark.parametrize(
    ("link", "leads_to"), [(TrainingJobLink(), Step.addresses["Training job"]), (ArtifactLink(), "")]
)
def test_a_button_leads_where_the_step_says(link, leads_to):
    assert link.get_link(Step(), ti_key=None) == leads_to


def test_pages_of_the_console():
    host = "https://ap-northeast-1.console.aws.amazon.com"
    assert sagemaker_page("ap-northeast-1", "jobs/iris") == f"{host}/sagemaker/home?region=ap-northeast-1#/jobs/iris"
    assert sagemaker_page("cn-north-1", "jobs/iris").startswith("https://cn-north-1.console.amazonaws.cn/")
    assert s3_page("ap-northeast-1", "s3://bucket/a/model.tar.gz") == (
        f"{host}/s3/object/bucket?region=ap-northeast-1&prefix=a/model.tar.gz"
    )
    # A training that does not compress its model leaves a folder.
    assert s3_page("ap-northeast-1", "s3://bucket/output/model/") == (
        f"{host}/s3/buckets/bucket?region=ap-northeast-1&prefix=output/model/"
    )
    assert log_page("ap-northeast-1", "/aws/sagemaker/TrainingJobs", "iris/") == (
        f"{host}/cloudwatch/home?region=ap-northeast-1#logsV2:log-groups/log-group/"
        "$252Faws$252Fsagemaker$252FTrainingJobs$3FlogStreamNameFilter$3Diris$252F"
    )
