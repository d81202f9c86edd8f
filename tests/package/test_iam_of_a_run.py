"""What ``fresh-endpoints iam`` allows, held against whole runs of the sample pipeline: each call that they made."""

from __future__ import annotations

import re
from datetime import date

import pytest

import permissions_used
from fresh_endpoints.permissions.reach import Variables, reach_of
from fresh_endpoints.permissions.statements import execution_policy, worker_policy
from fresh_endpoints.pipeline_file.loading import load_pipeline
from iam import Decision, evaluate
from local_aws.process import LocalAws
from pipeline_under_test import ROOT

DAYS = date(2019, 3, 4), date(2019, 3, 5), date(2019, 3, 6)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return tmp_path_factory.mktemp("record")


@pytest.fixture(scope="module")
def local_aws(record):
    """One that records the permissions used, apart from the process's other tests."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LOCAL_AWS_RECORD_PERMISSIONS", str(record))
        images = {"tiny": ROOT / "tests" / "support" / "images" / "tiny"}
        with LocalAws(images=images, ping_timeout=20, stop_grace=2, status_seconds=0.1) as aws:
            yield aws


def test_whole_runs_of_the_sample_need_no_more_than_its_file_says_and_neighbours_get_nothing(pipeline, record):
    pipeline.write(lambda content: content["retention"].update(keep=1))
    for day in DAYS:
        pipeline.upload(day)
        assert pipeline.run(day).tasks["deploy"] == "success"
    assert pipeline.predict(data_date=str(DAYS[-1])).state == "success"
    assert pipeline.redeploy(model="live", hold_days=1).state == "success"

    reach = reach_of(load_pipeline(pipeline.folder / f"{pipeline.name}.yaml"), Variables({}))
    recorded = permissions_used.read(record)
    for policy, used in zip((worker_policy([reach]), execution_policy([reach])), recorded, strict=True):
        assert used
        assert [use for use in used if not allows(policy, use)] == []
        for neighbour in (f"{pipeline.name}2", f"{pipeline.name}fraud", f"my-{pipeline.name}"):
            others = {renamed(use, pipeline.name, neighbour) for use in used} - set(map(key, used))
            assert others
            seen = [other for other in others if allowed(policy, *other)]
            assert {action for action, _, _ in seen} <= {
                *("sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig", "sagemaker:DescribeTransformJob"),
            }
    workers, _ = recorded
    tagged = [use for use in workers if use.action == "sagemaker:AddTags"]
    assert {use.action for use in workers} >= {"sagemaker:UpdateEndpoint", "sagemaker:DeleteModel", "iam:PassRole"}
    for use in tagged:
        for keys in (("owner",), ("project", "owner"), ()):
            assert not allowed(worker_policy([reach]), use.action, use.resource, (("aws:TagKeys", keys),))


def key(use):
    return use.action, use.resource, use.context


def renamed(use, name, other):
    def rename(text):
        return re.sub(rf"(?<=[/:]){name}(?=[-/:]|$)", other, text)

    return use.action, rename(use.resource), tuple((k, rename(v) if k == "s3:prefix" else v) for k, v in use.context)


def allows(policy, use):
    return allowed(policy, *key(use))


def allowed(policy, action, resource, context):
    return evaluate([policy], action, resource, dict(context)) is Decision.ALLOWED
