"""AWS throttles, fails, dawdles and loses answers; the run ends as if it had not."""

from __future__ import annotations

from datetime import date

import pytest

DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)
MESSAGES = ["Training started", "Training complete", "Deployment started", "Deployment completed"]

FIRST_RUN = (
    "s3:HeadObject",
    "CreateTrainingJob",
    "DescribeTrainingJob",
    "CreateModel",
    "CreateEndpointConfig",
    "CreateEndpoint",
    "DescribeEndpoint",
    "AddTags",
)
LATER_RUN = (*FIRST_RUN[:-3], "UpdateEndpoint", "DescribeEndpoint", "AddTags", "ListTags")


def check_one_whole_run(pipeline, ended):
    """One job, one deployment, verified, and each message once."""
    assert ended.state == "success"
    assert set(ended.tasks.values()) == {"success"}
    [job] = pipeline.jobs()
    assert pipeline.endpoint()["EndpointStatus"] == "InService"
    assert pipeline.endpoint()["EndpointConfigName"] == job["TrainingJobName"]
    assert pipeline.titles() == MESSAGES


@pytest.mark.parametrize("operation", FIRST_RUN)
def test_an_answer_lost_after_the_effect_changes_nothing(fast, faults, operation):
    fast.upload(DAY_1)
    with faults({"operation": operation, "kind": "lost_answer", "times": 2}):
        check_one_whole_run(fast, fast.run(DAY_1))


@pytest.mark.parametrize(
    "fault",
    [{"kind": "throttle"}, {"kind": "error", "status": 500}, {"kind": "error", "status": 503}],
    ids=["throttle", "500", "503"],
)
def test_a_refusal_that_heals_changes_nothing(fast, faults, fault):
    fast.upload(DAY_1)
    with faults(*[{"operation": operation, "times": 2, **fault} for operation in FIRST_RUN]):
        check_one_whole_run(fast, fast.run(DAY_1))


@pytest.mark.parametrize("kind", ["lost_answer", "throttle", "error"])
def test_nor_does_one_in_a_later_run_which_reads_what_is_live(fast, faults, kind):
    fast.upload(DAY_1)
    fast.upload(DAY_2)
    fast.run(DAY_1)
    with faults(*[{"operation": operation, "times": 2, "kind": kind} for operation in LATER_RUN]):
        ended = fast.run(DAY_2)
    assert ended.state == "success"
    assert fast.endpoint()["EndpointConfigName"] == fast.jobs()[1]["TrainingJobName"]
    assert fast.titles() == MESSAGES * 2


def test_a_training_whose_end_is_not_seen_yet_when_its_model_is_deployed_changes_nothing(fast, faults):
    fast.upload(DAY_1)
    with faults({"operation": "DescribeTrainingJob", "kind": "stale_read", "seconds": 3}):
        check_one_whole_run(fast, fast.run(DAY_1))


def test_latency_changes_nothing(fast, faults):
    fast.upload(DAY_1)
    with faults({"operation": "*", "kind": "latency", "seconds": 0.2}):
        check_one_whole_run(fast, fast.run(DAY_1))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_rate_of_faults_everywhere_changes_nothing(fast, faults, seed):
    fast.upload(DAY_1)
    rules = (
        {"operation": "*", "kind": "throttle", "rate": 0.2, "seed": seed},
        {"operation": "sagemaker:*", "kind": "lost_answer", "rate": 0.15, "seed": seed},
    )
    # Slack's answers are not lost here: a message whose answer is lost is sent again.
    with faults(*rules):
        ended = fast.run(DAY_1)
    assert ended.state == "success"
    [job] = fast.jobs()
    assert fast.endpoint()["EndpointConfigName"] == job["TrainingJobName"]
    assert [title for title in fast.titles() if title in MESSAGES] == fast.titles()
    assert len(set(fast.titles())) == len(fast.titles())


@pytest.mark.parametrize("kind", ["lost_answer", "throttle", "error"])
def test_a_fault_of_the_update_deploys_once(fast, faults, kind):
    fast.upload(DAY_1)
    fast.upload(DAY_2)
    fast.run(DAY_1)
    with faults({"operation": "UpdateEndpoint", "kind": kind, "times": 2}):
        ended = fast.run(DAY_2)
    assert ended.state == "success"
    assert fast.endpoint()["EndpointConfigName"] == fast.jobs()[1]["TrainingJobName"]
    assert fast.titles() == MESSAGES * 2


def test_an_update_that_is_refused_for_ever_fails_after_a_bounded_number_of_requests(fast, faults):
    fast.upload(DAY_1)
    fast.upload(DAY_2)
    fast.run(DAY_1)
    fast.write(lambda content: content.update(retries=1))
    before = fast.aws.count("UpdateEndpoint")
    with faults({"operation": "UpdateEndpoint", "kind": "throttle"}):
        ended = fast.run(DAY_2)
    assert ended.tasks["deploy"] == "failed"
    assert fast.aws.count("UpdateEndpoint") - before == 2 * 8
    assert fast.endpoint()["EndpointConfigName"] == fast.jobs()[0]["TrainingJobName"]
    assert fast.titles() == [*MESSAGES, "Training started", "Training complete", "Deployment failed"]
    assert "ThrottlingException" in fast.slack()[-1]


def test_a_denied_request_fails_at_once(fast):
    fast.upload(DAY_1)
    fast.write(lambda content: content["training"].update(RoleArn="arn:aws:iam::123456789012:role/no-such-role"))
    fast.write(lambda content: content["training"]["AlgorithmSpecification"].update(TrainingImage="no/such:image"))
    before = fast.aws.count("CreateTrainingJob")
    ended = fast.run(DAY_1)
    assert ended.tasks["train"] == "failed"
    assert fast.aws.count("CreateTrainingJob") == before + 1
    assert fast.titles() == ["Training failed"]
    assert "Cannot find repository" in fast.slack()[0]
