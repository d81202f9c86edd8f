"""All checks together: whatever stands somewhere, the file is told what is wrong, and nothing else happens."""

import contextlib
import copy
from pathlib import Path

import pytest
import yaml

from fresh_endpoints.pipeline_file.loading import load_pipeline
from fresh_endpoints.problems import PipelineFileError

SAMPLE = Path(__file__).resolve().parents[4] / "include" / "pipelines" / "multiclass.yaml"
MORE = yaml.safe_load("""
training:
  EnableManagedSpotTraining: true
  StoppingCondition: {MaxRuntimeInSeconds: 60, MaxWaitTimeInSeconds: 60}
  CheckpointConfig: {S3Uri: "s3://b/{{ data_date }}/"}
  InputDataConfig: [{ChannelName: training, DataSource: {S3DataSource: {S3DataType: S3Prefix}}}]
model:
  InferenceExecutionConfig: {Mode: Serial}
  Containers: [{Image: x, ContainerHostname: x, Mode: SingleModel}, {ContainerHostname: y, ModelDataSource: {}}]
endpoint:
  DeploymentConfig:
    RollingUpdatePolicy: {MaximumBatchSize: {Type: INSTANCE_COUNT, Value: 1}, WaitIntervalInSeconds: 0}
""")


def content():
    values = yaml.safe_load(SAMPLE.read_text())
    for section, members in MORE.items():
        values[section].update(members)
    return values


def places(value, path=()):
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield from places(item, (*path, key))


def load(folder, values):
    (folder / "multiclass.yaml").write_text(yaml.safe_dump(values))
    return load_pipeline(folder / "multiclass.yaml")


def test_the_file_with_all_of_it_is_right(folder):
    assert load(folder, content()).name == "multiclass"


@pytest.mark.parametrize("odd", [None, 7, True, "{{ var.value.x }}", [], [None], [[]], {}, {"a": {}}, {1: 2}], ids=repr)
def test_whatever_stands_anywhere_is_told_or_taken(folder, odd):
    right = content()
    for path in places(right):
        values = copy.deepcopy(right)
        place = values
        for key in path[:-1]:
            place = place[key]
        if path:
            place[path[-1]] = odd
        else:
            values = odd
        with contextlib.suppress(PipelineFileError):
            load(folder, values)
