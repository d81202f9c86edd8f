"""The model of a training, where the section does not say which container gets it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from fresh_endpoints.aws.model import create_model


def test_a_container_that_cannot_be_told_fails_for_good_with_what_to_do():
    client = SimpleNamespace(describe_training_job=lambda **named: {"RoleArn": "arn"})
    section = {"Containers": [{"Image": "a"}, {"Image": "b"}]}
    facts = {"training_job": "j", "artifact": "s3://b/model.tar.gz"}
    with pytest.raises(AirflowFailException, match=r"Could not create model m. .*not clear.*mark it with {}"):
        create_model(client, section, name="m", facts=facts, tags={})
