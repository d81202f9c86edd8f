"""The List operations, as AWS was recorded (aws/aws-cli issue 7596, boto/boto3 issues 1966, 2521, 2838 and 2973,
aws/aws-sdk issue 486, cloud-custodian's flight recordings, a CLI transcript of 2025)."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from listed_resources import LISTS, NAMES, make_four_of_each
from local_aws.__main__ import main
from local_aws.process import LocalAws
from sagemaker_requests import ROLE, TINY, new_bucket, training_job, wait_for_training

IMAGES = {"tiny": Path(__file__).parents[1] / "support/images/tiny"}
ONCE = Config(retries={"total_max_attempts": 1})
THROTTLED = "400 ThrottlingException: Rate exceeded"
HOUR = dt.timedelta(hours=1)


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """Four resources of each kind, nothing else, and no limit to how often they are listed."""
    with LocalAws(images=IMAGES, stop_grace=1, lists_per_second=float("inf")) as server:
        make_four_of_each(server)
        yield server


@pytest.fixture
def empty_aws() -> Iterator[LocalAws]:
    with LocalAws(images=IMAGES, stop_grace=1, lists_per_second=float("inf")) as server:
        yield server


def page(aws: LocalAws, operation: str, **filters: Any) -> tuple[list[str], str | None]:
    listed, member = LISTS[operation]
    answer = getattr(aws.client("sagemaker"), operation)(**filters)
    return [item[member] for item in answer[listed]], answer.get("NextToken")


@pytest.mark.parametrize("operation", LISTS)
def test_the_page_is_cut_before_its_names_are_compared_so_it_may_be_empty_and_go_on(
    aws: LocalAws, operation: str
) -> None:
    names, token = page(aws, operation, NameContains="foobar", MaxResults=2)
    assert (names, bool(token)) == ([], True)
    names, token = page(aws, operation, NameContains="foobar", MaxResults=2, NextToken=token)
    assert (names, token) == (["foobar-1", "foobar-2"], None)


@pytest.mark.parametrize("operation", LISTS)
def test_the_newest_come_first_without_options(aws: LocalAws, operation: str) -> None:
    assert page(aws, operation) == (NAMES, None)


@pytest.mark.parametrize("operation", ["list_training_jobs", "list_transform_jobs", "list_endpoints"])
def test_a_change_after_a_time_to_come_is_looked_for_page_by_page(aws: LocalAws, operation: str) -> None:
    later = dt.datetime.now(dt.timezone.utc) + HOUR
    names, token = page(aws, operation, LastModifiedTimeAfter=later, MaxResults=3)
    assert (names, bool(token)) == ([], True)
    assert page(aws, operation, LastModifiedTimeAfter=later, MaxResults=3, NextToken=token) == ([], None)
    names, token = page(aws, operation, LastModifiedTimeBefore=later - 2 * HOUR, MaxResults=3)
    assert (names, bool(token)) == ([], True)


@pytest.mark.parametrize("operation", LISTS)
def test_a_creation_after_a_time_to_come_is_answered_at_once(aws: LocalAws, operation: str) -> None:
    later = dt.datetime.now(dt.timezone.utc) + HOUR
    assert page(aws, operation, CreationTimeAfter=later, MaxResults=1) == ([], None)
    assert page(aws, operation, CreationTimeBefore=later - 2 * HOUR, MaxResults=1) == ([], None)
    assert page(aws, operation, CreationTimeAfter=later - 2 * HOUR, CreationTimeBefore=later) == (NAMES, None)


def test_a_status_is_compared_in_the_page_only(empty_aws: LocalAws) -> None:
    bucket, client = new_bucket(empty_aws), empty_aws.client("sagemaker")
    for number in range(4):
        client.create_training_job(**training_job(bucket, {}, TrainingJobName=f"old-{number}"))
        wait_for_training(empty_aws, f"old-{number}")
    empty_aws.add_faults({"kind": "hold_status", "operation": "training-job:Downloading"})
    client.create_training_job(**training_job(bucket, {}, TrainingJobName="newest"))
    filters: dict[str, Any] = {"StatusEquals": "InProgress", "MaxResults": 4, "SortOrder": "Ascending"}
    names, token = page(empty_aws, "list_training_jobs", **filters)
    assert (names, bool(token)) == ([], True)
    assert page(empty_aws, "list_training_jobs", **filters, NextToken=token) == (["newest"], None)
    assert page(empty_aws, "list_training_jobs", **{**filters, "SortOrder": "Descending"})[0] == ["newest"]


def test_summaries_have_the_members_that_were_recorded(empty_aws: LocalAws) -> None:
    """In 2025 no SecondaryStatus; TrainingEndTime of what has ended only."""
    bucket, client = new_bucket(empty_aws), empty_aws.client("sagemaker")
    client.create_training_job(**training_job(bucket, {}, TrainingJobName="ended"))
    wait_for_training(empty_aws, "ended")
    empty_aws.add_faults({"kind": "hold_status", "operation": "training-job:Downloading"})
    client.create_training_job(**training_job(bucket, {}, TrainingJobName="runs"))
    runs, ended = client.list_training_jobs()["TrainingJobSummaries"]
    always = {"TrainingJobName", "TrainingJobArn", "CreationTime", "LastModifiedTime", "TrainingJobStatus"}
    assert (set(runs), set(ended)) == (always, always | {"TrainingEndTime"})


def test_the_default_page_holds_ten(empty_aws: LocalAws) -> None:
    for number in range(11):
        empty_aws.client("sagemaker").create_model(
            ModelName=f"model-{number}", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": TINY}
        )
    names, token = page(empty_aws, "list_models")
    assert names == [f"model-{number}" for number in range(10, 0, -1)]
    assert page(empty_aws, "list_models", NextToken=token) == (["model-0"], None)


def test_lists_filter_and_sort_whatever_the_case_of_the_name(empty_aws: LocalAws) -> None:
    bucket, client = new_bucket(empty_aws), empty_aws.client("sagemaker")
    for number, hyperparameters in enumerate([{}, {}, {"fail": "no"}, {}]):
        client.create_training_job(**training_job(bucket, hyperparameters, TrainingJobName=f"listed-{number}"))
        wait_for_training(empty_aws, f"listed-{number}")

    def names(**filters: Any) -> list[str]:
        pages = client.get_paginator("list_training_jobs").paginate(
            NameContains="LISTED", **filters, PaginationConfig={"PageSize": 2}
        )
        return [job["TrainingJobName"][-1] for page in pages for job in page["TrainingJobSummaries"]]

    assert names() == ["3", "2", "1", "0"]
    assert names(SortBy="Name", SortOrder="Ascending") == ["0", "1", "2", "3"]
    assert names(StatusEquals="Failed") == ["2"]
    assert names(SortBy="Status", SortOrder="Ascending") == ["0", "1", "3", "2"]
    with pytest.raises(ClientError, match="Invalid NextToken"):
        client.list_training_jobs(NextToken="made-up")


def test_a_filter_that_local_aws_lacks_is_refused(aws: LocalAws) -> None:
    with pytest.raises(ClientError, match="local AWS: ListTrainingJobs cannot do WarmPoolStatusEquals"):
        aws.client("sagemaker").list_training_jobs(WarmPoolStatusEquals="InUse")


def refusals(calls: list[Callable[[], Any]]) -> list[str | None]:
    codes: list[str | None] = []
    for call in calls:
        try:
            call()
            codes.append(None)
        except ClientError as error:
            said = error.response["Error"]
            codes.append(f"{error.response['ResponseMetadata']['HTTPStatusCode']} {said['Code']}: {said['Message']}")
    return codes


@pytest.mark.parametrize("operation", LISTS)
def test_five_requests_within_milliseconds_are_too_many(operation: str) -> None:
    """2 requests a second, not adjustable (aws-solutions/deepracer-on-aws issue 87)."""
    with LocalAws() as aws:
        client = aws.client("sagemaker", config=ONCE)
        assert refusals([getattr(client, operation)] * 5) == [None] * 4 + [THROTTLED]


def test_each_operation_has_its_own_rate() -> None:
    with LocalAws(lists_per_second=0.001, lists_burst=1) as aws:
        client = aws.client("sagemaker", config=ONCE)
        assert refusals([client.list_models, client.list_models, client.list_endpoints]) == [None, THROTTLED, None]
        assert [call["error"] for call in aws.calls("ListModels")] == [None, "ThrottlingException"]


def test_two_requests_a_second_are_answered_and_botocore_waits_for_the_rest() -> None:
    with LocalAws() as aws:
        client = aws.client("sagemaker", config=ONCE)
        refusals([client.list_models] * 5)
        answered, began = [], time.monotonic()
        for number in range(1, 5):
            time.sleep(max(0.0, began + number * 0.55 - time.monotonic()))  # the pace is what is tested
            answered += refusals([client.list_models])
        assert answered == [None] * 4
        refusals([client.list_models] * 5)
        assert aws.client("sagemaker").list_models()["Models"] == []


def test_a_list_of_tags_is_not_limited_with_the_others() -> None:
    with LocalAws(images=IMAGES, lists_per_second=0.001, lists_burst=1) as aws:
        client = aws.client("sagemaker", config=ONCE)
        arn = client.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": TINY})["ModelArn"]
        assert refusals([lambda: client.list_tags(ResourceArn=arn)] * 6) == [None] * 6


@pytest.mark.parametrize("option", ["--lists-per-second=0", "--lists-burst=0", "--lists-per-second=often"])
def test_a_rate_that_cannot_be_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([option])
    assert "expected a" in capsys.readouterr().err
