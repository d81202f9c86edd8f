"""A topic of Amazon SNS's on local AWS, and a queue that gets what is published there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.process import LocalAws

SNS_NOTIFIER = "airflow.providers.amazon.aws.notifications.sns.SnsNotifier"


class Topic:
    """A topic with a queue, and the entry of ``notify`` that tells it.

    Args:
        aws: Local AWS.
        name: Of both.
        monkeypatch: Sets the connection ``sns`` of who may publish: the topic is the user's own, and the worker may
            not.
    """

    def __init__(self, aws: LocalAws, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        sns, self.sqs = aws.client("sns"), aws.client("sqs")
        self.arn = sns.create_topic(Name=name)["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]
        sns.subscribe(TopicArn=self.arn, Protocol="sqs", Endpoint=attributes["QueueArn"])
        extra = {"endpoint_url": aws.url, "region_name": aws.region}
        connection = {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SNS", json.dumps(connection))

    def notifier(self, **entry: Any) -> dict[str, Any]:
        subject = "{{ title }}: {{ pipeline }}"
        arguments = {"target_arn": self.arn, "subject": subject, "message": "{{ message }}", "aws_conn_id": "sns"}
        return {"notifier": SNS_NOTIFIER, "arguments": arguments, **entry}

    def got(self) -> list[tuple[str, str]]:
        """Subjects and messages since the last look, in order of their publication."""
        found: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(message["Body"]) for message in messages]
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        found.sort(key=lambda each: each["Timestamp"])
        return [(each["Subject"], each["Message"]) for each in found]
