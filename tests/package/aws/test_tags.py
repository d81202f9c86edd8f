"""What fits into a tag, and how many tags of our own one resource may get."""

from __future__ import annotations

import dataclasses
import inspect
from datetime import date, datetime, timezone

import pytest

from fresh_endpoints.aws import service_model, tags
from fresh_endpoints.deployment import Deployment
from fresh_endpoints.model_facts import fact_tags
from fresh_endpoints.run import Run

RUN = Run("iris", "d", "r", date(2019, 3, 5), date(2019, 3, 4), datetime(2019, 3, 4, tzinfo=timezone.utc))
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model/m"
FACTS = {"training_job": "j", "artifact": "s3://bucket/key", "metrics": {"accuracy": 0.9}}


@pytest.mark.parametrize("value", ["", "a b", "s3://bucket/é_ü/x=1+1@2", "x" * 256])
def test_what_fits_is_kept(value):
    assert tags.fits(value)
    assert tags.fitting(value) == value
    request = {"ResourceArn": ARN, "Tags": tags.as_list({"key": value})}
    assert service_model.check_request("AddTags", request) == []


@pytest.mark.parametrize(("value", "fitting"), [("a(b)*", "a_b__"), ("x" * 300, "x" * 256)])
def test_what_does_not_fit_is_made_to(value, fitting):
    assert not tags.fits(value)
    assert tags.fitting(value) == fitting


def test_the_keys_are_all_ours_and_differ():
    keys = [value for name, value in inspect.getmembers(tags) if name.isupper() and str(value).startswith(tags.PREFIX)]
    assert len(keys) == len(set(keys))


def test_an_endpoint_config_gets_no_more_tags_than_are_kept_free_for_it():
    """It gets the most: the run's, the facts, and what has become of it."""
    run = dataclasses.replace(RUN, environment="dev")
    deployment = Deployment(run, FACTS, "c", "e")
    given = {**run.tags({}), **fact_tags(deployment.deployed_facts)}
    keys = {value for name, value in inspect.getmembers(tags) if name.isupper() and str(value).startswith(tags.PREFIX)}
    keys -= {tags.PREFIX, tags.RUN_STARTED, tags.REFUSED, tags.HOLD, tags.REDEPLOY}  # On jobs or endpoints only.
    keys -= {tags.KEEP}  # A person's.
    assert keys - set(given) == {tags.MADE, tags.PREVIOUS_CONFIG, tags.ASKED_OVER, tags.SMOKE_TEST, tags.TOLD}
    assert len(keys) == tags.MOST_OWN


def test_a_job_gets_no_more_tags_either():
    facts = fact_tags({**FACTS, "model": "m", "endpoint": "e", "endpoint_config": "c"})
    assert len({**RUN.job_tags({}), **facts, tags.REFUSED: "", tags.TOLD: ""}) <= tags.MOST_OWN


@pytest.mark.parametrize(
    ("value", "proven", "failed"),
    [("passed", True, False), ("verified", True, False), ("failed: x", False, True), (None, False, False)],
)
def test_what_is_proven_and_what_has_failed(value, proven, failed):
    found = {} if value is None else {tags.SMOKE_TEST: value}
    assert (tags.is_proven(found), tags.has_failed(found)) == (proven, failed)
