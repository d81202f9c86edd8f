"""The smoke test in whole runs: an endpoint that answers wrongly goes back to what it served before."""

from datetime import date

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from fresh_endpoints.steps.asking import Asking
from fresh_endpoints.waiting import pace

DAY_1, DAY_2, DAY_3 = date(2019, 3, 4), date(2019, 3, 5), date(2019, 3, 6)


@pytest.fixture
def train(pipeline):
    """Runs a day whose model answers with this text."""

    def run(day, model, **smoke_test):
        pipeline.use_tiny_image(model=model)
        given = {"body": "ping", "content_type": "text/plain", "expect": "good.*:ping", **smoke_test}
        pipeline.write(lambda content: content.update(smoke_test=given))
        pipeline.upload(day)
        return pipeline.run(day)

    return run


@pytest.fixture
def config_tags(pipeline):
    def read(name):
        arn = pipeline.sagemaker.describe_endpoint_config(EndpointConfigName=name)["EndpointConfigArn"]
        return pipeline.tags(arn)

    return read


def test_a_model_that_answers_well_stays(pipeline, train, config_tags):
    ended = train(DAY_1, "good", accept="text/plain")
    assert ended.tasks["deploy"] == "success"
    assert config_tags(pipeline.live())["fresh-endpoints:smoke-test"] == "passed"
    assert train(DAY_2, "good 2").tasks["deploy"] == "success"
    assert config_tags(pipeline.live())["fresh-endpoints:previous-config"] == pipeline.jobs()[0]["TrainingJobName"]


@pytest.mark.parametrize("worker_seconds", [15, 0], ids=["in the worker", "deferred"])
def test_a_model_that_answers_wrongly_is_taken_back(pipeline, train, monkeypatch, worker_seconds):
    monkeypatch.setattr(pace, "WORKER_SECONDS", worker_seconds)
    train(DAY_1, "good")
    old = pipeline.live()

    ended = train(DAY_2, "bad")

    new = pipeline.jobs()[1]["TrainingJobName"]
    assert ended.state == "failed"
    assert ended.tasks == {**ended.tasks, "deploy": "failed", "publish": "upstream_failed"}
    assert pipeline.live() == old
    assert pipeline.invoke(b"?") == b"good:?"
    assert pipeline.titles()[-3:] == ["Deployment started", "Smoke test failed", "Rolled back"]
    assert pipeline.slack()[-2].startswith(
        f'Smoke test failed: {pipeline.name}, data date 2019-03-05. Endpoint "{pipeline.name}" with "{new}" has failed '
        'the smoke test. Found the answer "bad:ping"; it must match "good.*:ping".'
    )
    assert f'InService with "{old}" again' in pipeline.slack()[-1]
    assert [facts["data_date"] for facts in pipeline.published()] == ["2019-03-04"]

    assert train(DAY_3, "good 3").tasks["deploy"] == "success"
    assert pipeline.invoke(b"?") == b"good 3:?"


def test_a_first_model_that_answers_wrongly_stays_and_is_called_unproven(pipeline, train):
    ended = train(DAY_1, "bad")
    assert ended.tasks["deploy"] == "failed"
    assert pipeline.titles()[-2:] == ["Smoke test failed", "Deployment failed"]
    assert "There is no previous endpoint config to go back to." in pipeline.slack()[-1]
    assert f'serves the unproven model "{pipeline.live()}"' in pipeline.slack()[-1]


def test_a_try_that_dies_is_taken_up_where_it_was(pipeline, train, monkeypatch):
    train(DAY_1, "good")
    old = pipeline.live()
    original, calls = Asking.to_go_back, []

    def die_at_first(self, *args, **options):
        calls.append(args)
        if len(calls) == 1:
            raise AirflowException("the worker died")
        return original(self, *args, **options)

    monkeypatch.setattr(Asking, "to_go_back", die_at_first)
    before = pipeline.aws.count("UpdateEndpoint")
    assert train(DAY_2, "bad").tasks["deploy"] == "failed"
    assert len(calls) == 2
    assert pipeline.live() == old
    there_and_back = 2
    assert pipeline.aws.count("UpdateEndpoint") == before + there_and_back
    assert pipeline.titles().count("Smoke test failed") == 1


def test_a_live_config_that_was_deleted_is_made_again_for_the_update_and_can_be_put_back(pipeline, train):
    train(DAY_1, "good")
    live = pipeline.live()
    pipeline.sagemaker.delete_endpoint_config(EndpointConfigName=live)
    assert train(DAY_2, "bad").tasks["deploy"] == "failed"
    assert pipeline.live() == live
    assert f'The endpoint is InService with "{live}" again.' in pipeline.slack()[-1]


@pytest.mark.parametrize(
    ("smoke_test", "reason"),
    [
        ({"body": "status 500"}, "The endpoint answered with ModelError: Received server error (500)"),
        ({"body": "headers", "expect": '.*"content-type": "text/csv".*'}, "Found the answer"),
        ({"expect": "good"}, 'Found the answer "good:ping"; it must match "good".'),
        (
            {"body": "a" * 60, "expect": "good:(a|aa)+b"},
            '"good:(a|aa)+b" is not done with the answer after 5 s; make it simpler.',
        ),
    ],
)
def test_what_fails_is_told(pipeline, train, smoke_test, reason):
    assert train(DAY_1, "good", **smoke_test).tasks["deploy"] == "failed"
    assert reason in pipeline.slack()[-2]


def test_the_body_may_come_from_s3(pipeline, train):
    key = f"input-data-validation/{{{{ data_date }}}}/{pipeline.name}/ping.txt"
    pipeline.s3.put_object(Bucket="sample-bucket", Key=key.replace("{{ data_date }}", str(DAY_1)), Body=b"from S3")
    test = {"body": None, "key": key, "expect": "good:from S3"}
    assert train(DAY_1, "good", **test).tasks["deploy"] == "success"
    live = pipeline.live()
    assert train(DAY_2, "good", **test).tasks["deploy"] == "failed"
    assert pipeline.live() == live, "without the body nothing could be proven, so nothing is deployed"
    assert "ping.txt" in pipeline.slack()[-1]
