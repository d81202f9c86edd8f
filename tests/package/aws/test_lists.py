"""Lists as AWS makes them: a page is cut first, then filtered, and two requests a second are all that an account has.

Sources: https://github.com/aws/aws-cli/issues/7596, https://github.com/boto/boto3/issues/2521 and
https://github.com/aws-solutions/deepracer-on-aws/issues/87.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from benchmarks.fake_sagemaker import FakeSageMaker, past_jobs
from botocore.exceptions import ClientError

from fresh_endpoints.aws import lists
from fresh_endpoints.aws.kinds import ENDPOINT, TRAINING_JOB, TRANSFORM_JOB
from fresh_endpoints.aws.lists import ENDPOINT_CONFIG, MODEL, ListTooLongError, newest, seconds_of

NOW = 1_700_000_000.0


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = NOW

    def time(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(lists, "time", SimpleNamespace(monotonic=clock.time, sleep=clock.sleep))
    monkeypatch.setattr("benchmarks.fake_sagemaker.time", SimpleNamespace(time=clock.time))
    return clock


class Client:
    """The fake SageMaker as a boto3 client."""

    def __init__(self, jobs):
        self.sagemaker = FakeSageMaker(jobs)

    def forget_requests(self):
        """As if much time had passed."""
        self.sagemaker._listed.clear()
        self.sagemaker.calls.clear()

    def list_training_jobs(self, **request):
        return self.sagemaker.call("list_training_jobs", **request)


def names(found):
    return [summary["TrainingJobName"] for summary in found]


def at(seconds):
    return datetime.fromtimestamp(seconds, tz=timezone.utc)


def test_the_fake_filters_after_the_page_is_cut():
    client = Client({f"bar-{n}": (NOW - n, NOW) for n in (1, 2)} | {f"foobar-{n}": (NOW - 9 - n, NOW) for n in (1, 2)})
    page = client.list_training_jobs(NameContains="foobar", MaxResults=2)
    assert page["TrainingJobSummaries"] == []
    page = client.list_training_jobs(NameContains="foobar", MaxResults=2, NextToken=page["NextToken"])
    assert names(page["TrainingJobSummaries"]) == ["foobar-1", "foobar-2"]
    with pytest.raises(ClientError, match="Rate exceeded"):
        client.list_training_jobs()


def test_only_the_creation_bounds_what_the_fake_pages_through():
    client = Client(past_jobs(200, NOW))
    modified = client.list_training_jobs(LastModifiedTimeAfter=at(NOW), MaxResults=100)
    assert (modified["TrainingJobSummaries"], "NextToken" in modified) == ([], True)
    created = client.list_training_jobs(CreationTimeAfter=at(NOW), MaxResults=100)
    assert (created["TrainingJobSummaries"], "NextToken" in created) == ([], False)


def test_what_is_deep_in_the_list_is_found_by_its_name_and_status():
    client = Client(past_jobs(450, NOW) | {"iris-2": (NOW - 200_000, NOW), "iris-1": (NOW - 200_001, NOW + 1e6)})
    assert names(newest(client, TRAINING_JOB, name_prefix="iris-")) == ["iris-2", "iris-1"]
    client.forget_requests()
    assert names(newest(client, TRAINING_JOB, name_prefix="iris-", statuses=("InProgress",))) == ["iris-1"]


def test_a_name_that_only_contains_the_prefix_is_another_ones():
    client = Client({"my-iris-1": (NOW, NOW), "iris-1": (NOW - 1, NOW)})
    assert names(newest(client, TRAINING_JOB, name_prefix="iris-")) == ["iris-1"]


def test_no_page_is_asked_for_that_nobody_needs():
    client = Client(past_jobs(3000, NOW))
    assert names([next(newest(client, TRAINING_JOB))]) == ["past-0"]
    assert len(client.sagemaker.calls) == 1
    assert names(newest(client, TRAINING_JOB, created_after=at(NOW - 1201))) == ["past-0", "past-1"]
    assert len(client.sagemaker.calls) == 2


def test_pages_are_no_faster_than_the_accounts_two_a_second():
    client = Client(past_jobs(1000, NOW))
    assert len(names(newest(client, TRAINING_JOB))) == 1000  # A third one within a second would be throttled.
    assert len(client.sagemaker.calls) == 10


def test_every_scan_is_bounded(caplog):
    client = Client(past_jobs(3000, NOW))
    caplog.set_level("INFO")
    assert len(list(newest(client, TRAINING_JOB, most_pages=3))) == 300
    assert "list_training_jobs has more than 300 to tell of" in caplog.text
    assert len(client.sagemaker.calls) == 3
    client.forget_requests()
    assert len(list(newest(client, TRAINING_JOB))) == lists.MOST_PAGES * 100


def test_where_all_are_needed_a_list_that_is_too_long_is_an_error():
    client = Client(past_jobs(300, NOW))
    with pytest.raises(ListTooLongError, match="more than 200"):
        list(newest(client, TRAINING_JOB, most_pages=2, is_all_needed=True))
    client.forget_requests()
    assert len(list(newest(client, TRAINING_JOB, most_pages=3, is_all_needed=True))) == 300


def test_a_duration_is_unknown_where_aws_tells_no_end():
    created = datetime(2026, 1, 1, tzinfo=timezone.utc)
    ended = {"CreationTime": created, "TrainingEndTime": created + timedelta(seconds=90)}
    assert seconds_of(TRAINING_JOB, ended) == 90
    assert seconds_of(TRAINING_JOB, {"CreationTime": created}) is None
    assert seconds_of(TRANSFORM_JOB, ended) is None


@pytest.mark.parametrize(
    "kind", [TRAINING_JOB, TRANSFORM_JOB, ENDPOINT, ENDPOINT_CONFIG, MODEL], ids=lambda kind: kind.list
)
def test_every_list_operation_takes_the_request(local_aws, kind):
    assert list(newest(local_aws.client("sagemaker"), kind, created_after=at(NOW + 1e9), is_all_needed=True)) == []


def test_models_and_endpoint_configs_are_listed_by_name(local_aws):
    sagemaker = local_aws.client("sagemaker")
    for name in ("lists-1", "my-lists-2", "lists-3"):
        image = {"Image": "1.dkr.ecr.x.amazonaws.com/tiny:1"}
        sagemaker.create_model(
            ModelName=name, ExecutionRoleArn="arn:aws:iam::123456789012:role/x", PrimaryContainer=image
        )
        variant = {"VariantName": "a", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    for kind in (MODEL, ENDPOINT_CONFIG):
        found = list(newest(sagemaker, kind, name_prefix="lists-"))
        assert [kind.name_of(summary) for summary in found] == ["lists-3", "lists-1"]
        assert all(kind.arn_of(summary).startswith("arn:aws:sagemaker:") for summary in found)
