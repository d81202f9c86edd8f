"""Whole runs under each setting of ``slack.tell``: what Slack gets, and once."""

from __future__ import annotations

from datetime import date

import pytest

from fresh_endpoints.waiting import pace
from sns_topic import Topic

DAY_1, DAY_2, DAY_3 = (date(2019, 3, day) for day in (4, 5, 6))
NO_DAY = date(2019, 3, 20)
REGEX = "auc=([0-9.]+)"


@pytest.fixture
def telling(pipeline):
    """A pipeline with a setting of ``slack.tell``, whose trainings print a metric."""

    def tell(setting, **slack):
        pipeline.use_tiny_image()
        pipeline.write(lambda content: content["slack"].update(tell=setting, **slack))
        for day in (DAY_1, DAY_2, DAY_3):
            pipeline.upload(day)
        return pipeline

    yield tell
    pipeline.aws.clear_faults()


def run(pipeline, day, auc, **conf):
    def change(content):
        training = content["training"]
        training["HyperParameters"] = {"model": f"m of {day}", "print": f"auc={auc}"}
        training["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "auc", "Regex": REGEX}]

    pipeline.write(change)
    return pipeline.run(day, **conf)


def blocks_of_last(pipeline):
    payloads = pipeline.aws.slack_messages()
    return [payload for payload in payloads if f": {pipeline.name}, data date" in payload["text"]][-1]["blocks"]


def texts(blocks):
    return [block["text"]["text"] for block in blocks if "text" in block]


def test_all_tells_each_step_with_pipeline_and_data_date_in_the_header(telling):
    pipeline = telling("all")
    run(pipeline, DAY_1, 0.9)
    assert pipeline.titles() == ["Training started", "Training complete", "Deployment started", "Deployment completed"]
    assert texts(blocks_of_last(pipeline))[0] == f"🟢 Deployment completed: {pipeline.name}, 2019-03-04"


def test_changes_tells_once_a_run_what_it_has_changed(telling):
    pipeline = telling("changes")
    run(pipeline, DAY_1, 0.9)
    first = pipeline.live()
    [told] = pipeline.slack()
    assert told.startswith(f"Deployment completed: {pipeline.name}, data date 2019-03-04.")
    assert f"Live: {first}, data date 2019-03-04. Live before: nothing. Metrics: auc 0.9. Duration: " in told

    ended = run(pipeline, DAY_2, 0.95)
    second = pipeline.live()
    assert pipeline.titles() == ["Deployment completed"] * 2
    assert (
        f"Live: {second}, data date 2019-03-05. Live before: {first}, data date 2019-03-04, proven. "
        "Metrics: auc 0.95 (+0.05). Duration: " in pipeline.slack()[-1]
    )
    config = pipeline.sagemaker.describe_endpoint_config(EndpointConfigName=second)["EndpointConfigArn"]
    assert pipeline.tags(config)["fresh-endpoints:told"] == "deployment-completed"

    pipeline.clear(ended, "publish")
    assert pipeline.titles() == ["Deployment completed"] * 2


def test_changes_tells_a_run_that_changed_nothing_in_its_one_message(telling):
    pipeline = telling("changes")
    run(pipeline, DAY_2, 0.9)
    run(pipeline, NO_DAY, 0.9)
    run(pipeline, DAY_1, 0.9)
    assert pipeline.titles() == ["Deployment completed", "No new data", "Deployment skipped"]
    run(pipeline, DAY_3, 0.9, deploy="never")
    assert pipeline.titles()[3:] == ["Training complete"]
    told = pipeline.slack()[-1]
    assert f"Live now: {pipeline.live()}, data date 2019-03-05 (" in told
    assert "Metrics: auc 0.9." in told
    assert "Duration: " in told


def test_changes_tells_a_pipeline_that_deploys_nothing_when_it_has_trained(telling):
    pipeline = telling("changes")
    pipeline.write(lambda content: content.update(deploy="never"))
    run(pipeline, DAY_1, 0.9)
    [told] = pipeline.slack()
    assert told.startswith("Training complete: ")
    assert "Live" not in told


def test_changes_tells_a_prediction_once(telling):
    pipeline = telling("changes")
    run(pipeline, DAY_1, 0.9)
    assert pipeline.predict(data_date="2019-03-04").state == "success"
    assert pipeline.titles() == ["Deployment completed", "Prediction complete"]
    assert "Duration: " in pipeline.slack()[-1]


def hold(pipeline, until):
    tag = {"Key": "fresh-endpoints:hold", "Value": f"until={until}T00:00:00Z by=ann why=the new model is slow"}
    pipeline.sagemaker.add_tags(ResourceArn=pipeline.endpoint()["EndpointArn"], Tags=[tag])


def test_changes_tells_a_failed_smoke_test_once_with_what_was_put_back(telling):
    pipeline = telling("changes")
    test = {"body": "ping", "content_type": "text/plain", "expect": "m of 2019-03-04:ping"}
    run(pipeline, DAY_1, 0.9)
    pipeline.write(lambda content: content.update(smoke_test={**test, "patience_seconds": 0}))
    assert run(pipeline, DAY_2, 0.9).tasks["deploy"] == "failed"
    assert pipeline.titles() == ["Deployment completed", "Rolled back"]
    told = pipeline.slack()[-1]
    # As the endpoint config's tag has it, which takes no quotation marks.
    assert "the smoke test has failed: Found the answer _m of 2019-03-05:ping__ it must match " in told
    assert f'InService with "{pipeline.live()}" again.' in told


@pytest.mark.parametrize("worker_seconds", [15, 0], ids=["in the worker", "deferred"])
def test_changes_tells_a_hold_that_has_ended_once_with_the_deployment_that_follows(
    telling, monkeypatch, worker_seconds
):
    monkeypatch.setattr(pace, "WORKER_SECONDS", worker_seconds)
    pipeline = telling("changes")
    run(pipeline, DAY_1, 0.9)
    hold(pipeline, "2019-03-05")
    run(pipeline, DAY_2, 0.9)
    run(pipeline, DAY_3, 0.9)
    assert pipeline.titles() == ["Deployment completed"] * 3
    assert [" Hold ended: The hold of ann on endpoint " in told for told in pipeline.slack()] == [False, True, False]
    assert pipeline.tags(pipeline.endpoint()["EndpointArn"])["fresh-endpoints:told"] == "hold-ended"


def test_changes_tells_a_hold_that_is_overridden_with_the_deployment(telling):
    pipeline = telling("changes")
    run(pipeline, DAY_1, 0.9)
    hold(pipeline, "2999-01-01")
    run(pipeline, DAY_2, 0.9, deploy="always")
    assert pipeline.titles() == ["Deployment completed"] * 2
    assert " Hold overridden: Deploying " in pipeline.slack()[-1]


def test_changes_tells_an_endpoint_that_is_made_anew_with_its_deployment(telling):
    pipeline = telling("changes")
    pipeline.aws.add_faults({"kind": "fail_deployment", "failure_reason": "No image.", "times": 1})
    run(pipeline, DAY_1, 0.9)
    run(pipeline, DAY_2, 0.9)
    assert pipeline.titles() == ["Deployment failed", "Deployment completed"]
    assert " Endpoint recreated: Endpoint " in pipeline.slack()[-1]


def test_changes_leaves_to_other_notifiers_what_is_a_problem(telling, monkeypatch):
    pipeline = telling("changes")
    topic = Topic(pipeline.aws, pipeline.name, monkeypatch)
    pipeline.write(lambda content: content.update(notify=[topic.notifier()]))
    run(pipeline, DAY_1, 0.9)
    hold(pipeline, "2019-03-05")
    run(pipeline, DAY_2, 0.9)
    assert [subject for subject, _ in topic.got()] == [f"Hold ended: {pipeline.name}"]
    assert " Hold ended: The hold of ann on endpoint " in pipeline.slack()[-1]


def test_problems_tells_no_success_but_each_problem_and_each_decision_of_a_person(telling):
    pipeline = telling("problems")
    run(pipeline, DAY_1, 0.9)
    run(pipeline, DAY_2, 0.9)
    assert pipeline.slack() == []
    run(pipeline, NO_DAY, 0.9)
    pipeline.write(lambda content: content.update(quality={"rules": ["auc >= 0.8"]}))
    run(pipeline, DAY_3, 0.5)
    assert pipeline.titles() == ["No new data", "Quality gate failed"]
    assert pipeline.redeploy(model="previous", hold_days=7, reason="").state == "success"
    assert pipeline.titles()[2:] == ["Redeploy started", "Redeployed"]
    run(pipeline, DAY_3, 0.9)
    assert pipeline.titles()[4:] == ["Deployment on hold"]


def test_a_failure_says_what_is_live_what_to_do_where_to_read_and_calls_who_is_named(telling):
    page = "https://git.example.com/operations.md"
    pipeline = telling("problems", mention=["@here", "U012AB3CD", "S012AB3CD"], runbook=page)
    run(pipeline, DAY_1, 0.9)
    pipeline.aws.add_faults({"kind": "fail_training", "failure_reason": "AlgorithmError: <!channel> *no data*"})
    assert run(pipeline, DAY_2, 0.9).tasks["train"] == "failed"
    [told] = pipeline.slack()
    assert told.startswith(f"Training failed: {pipeline.name}, data date 2019-03-05. Training job failed. ")
    assert f"Live now: {pipeline.live()}, data date 2019-03-04 (" in told
    assert " days ago), proven, InService. What to do: Read the job's log;" in told
    blocks = blocks_of_last(pipeline)
    header, sentence, calling = texts(blocks)
    assert header == f"❌ Training failed: {pipeline.name}, 2019-03-05"
    assert sentence == "Training job failed. AlgorithmError: &lt;!channel&gt; *no data*"
    assert calling == "<!here> <@U012AB3CD> <!subteam^S012AB3CD>"
    assert f"<{page}#training|Runbook>" in blocks[-1]["elements"][0]["text"]


@pytest.mark.parametrize("fault", [{"kind": "denied"}, {"kind": "latency", "seconds": 8}], ids=["denied", "slow"])
def test_where_what_is_live_cannot_be_read_the_message_goes_out_without(telling, fault):
    """It calls nobody: it is no failure, and has a problem's words without a runbook's address."""
    pipeline = telling("problems", mention=["@channel"])
    pipeline.aws.add_faults({"operation": "DescribeEndpoint", **fault})
    assert run(pipeline, NO_DAY, 0.9).state == "success"
    [told] = pipeline.slack()
    assert "Live now: what is live could not be read. What to do: Nothing on a day off." in told
    assert told.endswith('Runbook: docs/operations.md, "Waiting for data".')
    assert len(texts(blocks_of_last(pipeline))) == 2
