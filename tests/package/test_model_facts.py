"""What is known of a model: as JSON, as tags, and read back."""

from __future__ import annotations

import json
import math

import pytest

from fresh_endpoints.aws import tags
from fresh_endpoints.model_facts import fact_tags, final_metrics, tagged_metrics


def job(*values):
    return {"FinalMetricDataList": [{"MetricName": f"m{index}", "Value": value} for index, value in enumerate(values)]}


def tagged(**metrics):
    return fact_tags({"training_job": "j", "artifact": "s3://b/m.tar.gz", "metrics": metrics})


def test_a_value_that_is_no_finite_number_is_told_as_text():
    metrics = final_metrics(job(0.5, math.nan, math.inf, -math.inf, "NaN", "0.25"))
    assert metrics == {"m0": 0.5, "m1": "NaN", "m2": "Infinity", "m3": "-Infinity", "m4": "NaN", "m5": 0.25}
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


@pytest.mark.parametrize(
    "answer",
    [{}, {"FinalMetricDataList": None}, {"FinalMetricDataList": [{}, {"MetricName": "m"}, {"Value": 1.0}]}],
)
def test_a_metric_without_name_or_value_is_left_out(answer):
    assert final_metrics(answer) == {}


def test_metrics_are_read_back_from_their_tag():
    written = {"a": 0.5, "my loss": 1e-9, "b=c": -2.0, "never": "NaN", "x:y": 3.0}
    assert tagged_metrics(tagged(**written)) == written


@pytest.mark.parametrize("name", ["x=1 y", " a", "50 %", ""])
def test_a_name_that_no_tag_can_hold_is_left_out_and_takes_no_other_with_it(name):
    found = tagged(**{"a": 0.5, name: 1.0, "b": 0.25})
    assert tagged_metrics(found) == {"a": 0.5, "b": 0.25}


@pytest.mark.parametrize(
    ("value", "metrics"),
    [
        ("", {}),
        ("nothing of the kind", {}),
        ("a=0.5 b", {"a": 0.5}),
        ("a= b=0.5", {"a= b": 0.5}),
        ("a=high b=nan", {"a": "high", "b": "NaN"}),
    ],
)
def test_a_tag_that_a_person_has_changed_is_read_as_far_as_it_goes(value, metrics):
    assert tagged_metrics({tags.METRICS: value}) == metrics
