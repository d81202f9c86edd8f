"""A run tells Amazon SNS by the provider's own notifier, beside Slack or without it."""

from __future__ import annotations

from datetime import date

import pytest

from sns_topic import SNS_NOTIFIER, Topic

DAY_1 = date(2019, 3, 4)


@pytest.fixture
def topic(pipeline, monkeypatch):
    pipeline.use_tiny_image(model="m")
    pipeline.upload(DAY_1)
    return Topic(pipeline.aws, pipeline.name, monkeypatch)


def test_every_message_of_a_run_is_published_once_where_there_is_no_slack(pipeline, topic):
    pipeline.write(lambda content: content.update(slack=None, notify=[topic.notifier(on="all")]))
    ended = pipeline.run(DAY_1)
    assert ended.state == "success"
    titles = ["Training started", "Training complete", "Deployment started", "Deployment completed"]
    got = topic.got()
    assert [subject for subject, _ in got] == [f"{title}: {pipeline.name}" for title in titles]
    assert f"Training started: {pipeline.name}, data date 2019-03-04. Starting training job" in got[0][1]
    assert "\nAirflow log: http" in got[0][1]
    assert pipeline.slack() == []
    [job] = pipeline.jobs()
    assert pipeline.tags(job["TrainingJobArn"])["fresh-endpoints:told"] == "training-started training-complete"


def test_a_failure_is_published_beside_slack_and_a_topic_that_is_gone_changes_nothing(pipeline, topic, caplog):
    gone = topic.notifier()
    gone["arguments"]["target_arn"] += "-gone"
    pipeline.write(lambda content: content.update(notify=[gone, topic.notifier()], retries=0))
    assert pipeline.run(DAY_1).state == "success"
    assert topic.got() == []
    pipeline.use_tiny_image(fail="bad data")
    pipeline.upload(date(2019, 3, 5))
    assert pipeline.run(date(2019, 3, 5)).state == "failed"
    [(subject, message)] = topic.got()
    assert subject == f"Training failed: {pipeline.name}"
    assert "bad data" in message
    assert pipeline.titles()[-1] == "Training failed"
    assert (
        f"{SNS_NOTIFIER} did not take the message 'training-failed': NotFoundException: An error occurred"
        in caplog.text
    )
