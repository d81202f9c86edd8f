"""What a training reads and what its run waits for, in whole runs: the channels are the keys of ``data``."""

from __future__ import annotations

import json
from datetime import date

import pytest

from sagemaker_requests import log_lines

DAY_1, DAY_2 = date(2019, 3, 4), date(2019, 3, 5)
ALL_SUCCESS = {"wait_for_data": "success", "train": "success", "deploy": "success", "publish": "success"}
SKIPPED = dict.fromkeys(ALL_SUCCESS, "skipped")
MANIFEST = {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "ManifestFile"}}}


@pytest.fixture
def channels(pipeline):
    """Writes the channels of a pipeline of the tiny image, whose folder in S3 is the pipeline's own."""

    def write(**data):
        pipeline.use_tiny_image(model="m")
        text = json.dumps(data).replace("IN/", f"input-data-in/v1/{pipeline.name}/")

        def change(content):
            content.update(data=json.loads(text), retries=0)
            content.pop("transform", None)  # There is nothing to predict on.

        pipeline.write(change)

    return write


def put(pipeline, key, content=b"x"):
    pipeline.s3.put_object(Bucket="sample-bucket", Key=f"input-data-in/v1/{pipeline.name}/{key}", Body=content)


def read_files(pipeline):
    """The files that the last training's container has found, by their paths below input/data."""
    name = pipeline.jobs()[-1]["TrainingJobName"]
    told, *_ = log_lines(pipeline.aws, "/aws/sagemaker/TrainingJobs", f"{name}/algo-1-")
    return [path.removeprefix("input/data/") for path in json.loads(told)["files"]]


def test_a_training_has_the_channels_that_the_file_names_and_no_others(pipeline, channels):
    channels(train="IN/{{ data_date }}/train/_SUCCESS", code={"key": "IN/code.py", "file": True, "wait": False})
    for key in ("code.py", "code.py.old", "2019-03-04/train/part-0.csv", "2019-03-04/train/part-1.csv"):
        put(pipeline, key)
    assert pipeline.run(DAY_1).tasks == SKIPPED
    put(pipeline, "2019-03-04/train/_SUCCESS")
    assert pipeline.run(DAY_1).tasks == ALL_SUCCESS
    # A key is what the keys of objects begin with, as AWS has it.
    assert read_files(pipeline) == [
        "code/code.py",
        "code/code.py.old",
        "train/_SUCCESS",
        "train/part-0.csv",
        "train/part-1.csv",
    ]


def test_a_window_by_prefix_waits_for_its_own_marker(pipeline, channels):
    channels(train={"key": "IN/{{ data_date[:7] }}", "file": True, "wait": "IN/{{ data_date }}/_SUCCESS"})
    for key in ("2019-02-28/a.csv", "2019-03-03/a.csv", "2019-03-04/a.csv"):
        put(pipeline, key)
    assert pipeline.run(DAY_1).tasks == SKIPPED
    put(pipeline, "2019-03-04/_SUCCESS")
    assert pipeline.run(DAY_1).tasks == ALL_SUCCESS
    assert read_files(pipeline) == [
        "train/2019-03-03/a.csv",
        "train/2019-03-04/_SUCCESS",
        "train/2019-03-04/a.csv",
    ]


def test_a_window_of_days_is_a_channel_for_each(pipeline, channels):
    channels(today="IN/{{ data_date }}/a.csv", yesterday="IN/{{ macros.ds_add(data_date, -1) }}/a.csv")
    put(pipeline, "2019-03-05/a.csv")
    assert pipeline.run(DAY_2).tasks == SKIPPED
    put(pipeline, "2019-03-04/a.csv")
    assert pipeline.run(DAY_2).tasks == ALL_SUCCESS
    assert read_files(pipeline) == ["today/a.csv", "yesterday/a.csv"]


def test_a_window_by_manifest_is_handed_on(pipeline, channels):
    """Local AWS reads no manifests, and says so."""
    channels(train={"key": "IN/manifests/{{ data_date }}.json", "file": True})
    pipeline.write(lambda content: content["training"].update(InputDataConfig=[MANIFEST]))
    put(pipeline, "manifests/2019-03-04.json", b"[]")
    assert pipeline.run(DAY_1).tasks["train"] == "failed"
    assert "S3DataSource.S3DataType 'ManifestFile'" in pipeline.slack()[-1]


def test_the_same_file_every_day_is_trained_on_each_day(pipeline, channels):
    channels(train={"key": "IN/all/a.csv", "content_type": "text/csv"})
    put(pipeline, "all/a.csv")
    for day in (DAY_1, DAY_2):
        assert pipeline.run(day).tasks == ALL_SUCCESS
    described = pipeline.sagemaker.describe_training_job(TrainingJobName=pipeline.jobs()[-1]["TrainingJobName"])
    assert [channel["ContentType"] for channel in described["InputDataConfig"]] == ["text/csv"]


def test_a_training_without_channels_waits_for_nothing_and_is_given_none(pipeline, channels):
    channels()
    assert pipeline.run(DAY_1).tasks == ALL_SUCCESS
    described = pipeline.sagemaker.describe_training_job(TrainingJobName=pipeline.jobs()[-1]["TrainingJobName"])
    assert "InputDataConfig" not in described
    assert read_files(pipeline) == []


def test_data_that_is_not_waited_for_and_missing_fails_the_training_in_awss_words(pipeline, channels):
    channels(train={"key": "IN/{{ data_date }}/a.csv", "wait": False})
    ended = pipeline.run(DAY_1)
    assert ended.tasks["wait_for_data"] == "success"
    assert ended.tasks["train"] == "failed"
    assert "No S3 objects found under S3 URL" in pipeline.slack()[-1]
