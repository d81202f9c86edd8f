"""A person's own files: where a pipeline's data wants them, and how they get there."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from fresh_endpoints.pipeline_file.model import Pipeline
from local_aws import pipeline_data, sample_data
from local_aws.pipeline_data import Place, choose_pipeline, match, newest_data_date, place_of
from local_aws.process import LocalAws
from pipeline_files import BASE, changed
from sagemaker_requests import new_bucket

DAY = dt.date(2019, 3, 4)
KEYS = {"train": "in/2019-03-04/train/rows.csv", "validation": "in/2019-03-04/validation/rows.csv"}
NOON = dt.datetime(2019, 3, 6, 12, tzinfo=dt.timezone.utc)


def write(folder: Path, *names: str) -> Path:
    """A folder of files, each of which holds its name."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def read(tmp_path: Path, text: str = BASE) -> Pipeline:
    """The pipeline of a file."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "iris.yaml").write_text(text)
    return choose_pipeline(str(tmp_path / "pipelines" / "iris.yaml"))[0]


def puts(folder: Path, keys: dict[str, str] = KEYS) -> list[tuple[str, str]]:
    return [
        ("" if file is None else file.relative_to(folder).as_posix(), key) for file, key in match(folder, keys).puts
    ]


def test_the_files_of_a_channels_folder_lie_beside_what_is_waited_for_which_comes_last(tmp_path: Path) -> None:
    folder = write(tmp_path, "train/rows.csv", "train/more/a.csv", "train/.DS_Store", "train/z.csv")
    assert puts(folder) == [
        ("train/more/a.csv", "in/2019-03-04/train/more/a.csv"),
        ("train/z.csv", "in/2019-03-04/train/z.csv"),
        ("train/rows.csv", "in/2019-03-04/train/rows.csv"),
    ]


def test_the_only_file_of_a_channels_folder_gets_the_name_that_is_waited_for(tmp_path: Path) -> None:
    assert puts(write(tmp_path, "train/mine.csv")) == [("train/mine.csv", KEYS["train"])]


def test_a_file_of_another_kind_is_not_taken_for_what_is_waited_for(tmp_path: Path) -> None:
    folder = write(tmp_path, "train/mine.parquet")
    with pytest.raises(ValueError, match=r"train holds mine\.parquet and no rows\.csv, which a run waits for: in/2019"):
        match(folder, KEYS)


def test_a_marker_is_put_after_the_parts_where_the_folder_has_none(tmp_path: Path) -> None:
    folder = write(tmp_path, "train/part-0.csv", "train/part-1.csv")
    assert puts(folder, {"train": "in/train/_SUCCESS"}) == [
        ("train/part-0.csv", "in/train/part-0.csv"),
        ("train/part-1.csv", "in/train/part-1.csv"),
        ("", "in/train/_SUCCESS"),
    ]


def test_what_is_waited_for_in_a_keys_place_is_put_after_the_channels_files(tmp_path: Path) -> None:
    folder = write(tmp_path, "train/rows.csv")
    found = match(folder, KEYS, {"train": "in/train/done", "validation": "in/validation/done"})
    assert found.puts == [(folder / "train/rows.csv", KEYS["train"]), (None, "in/train/done")]


def test_a_file_is_of_the_channel_that_it_is_named_after_or_whose_file_name_it_has(tmp_path: Path) -> None:
    folder = write(tmp_path, "train.csv", "labels.csv", "notes.txt")
    keys = {**KEYS, "prediction": "in/2019-03-04/labels.csv"}
    assert puts(folder, keys) == [("train.csv", KEYS["train"]), ("labels.csv", keys["prediction"])]
    found = match(folder, keys)
    assert found.missing == {"validation": KEYS["validation"]}
    assert found.left == [folder / "notes.txt"]


def test_a_file_name_that_two_channels_wait_for_tells_neither(tmp_path: Path) -> None:
    folder = write(tmp_path, "rows.csv")
    with pytest.raises(
        ValueError,
        match=r"holds nothing for the pipeline's data\. It may hold, by channel, train: train/, train\.\* or rows",
    ):
        match(folder, KEYS)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere: there is no such folder"):
        match(tmp_path / "nowhere", KEYS)


def test_bucket_and_keys_are_rendered_as_a_run_of_the_data_date_renders_them(tmp_path: Path) -> None:
    bucket = "\"{{ var.value.get('bucket', 'sample') }}-{{ pipeline }}\""
    pipeline = read(tmp_path, changed(("sample-bucket", bucket), ("training/{{ data", "t/{{ date }}/{{ data")))
    place = place_of(pipeline, DAY)
    assert place.bucket == "sample-iris"
    assert list(place.keys.values()) == ["t/2019-03-05/2019-03-04/iris.csv", "validation/2019-03-04/iris.csv"]


def test_what_only_a_run_knows_is_said(tmp_path: Path) -> None:
    pipeline = read(tmp_path, changed(("sample-bucket", '"{{ var.value.bucket }}"')))
    with pytest.raises(ValueError, match=r"bucket: found '{{ var\.value\.bucket }}', which only a run can render"):
        place_of(pipeline, DAY)


@pytest.mark.parametrize(
    ("schedule", "data_date"),
    [
        ('"@daily"', dt.date(2019, 3, 5)),
        ('"0 6 * * 1"', dt.date(2019, 3, 3)),  # a Monday's run
        ("null", dt.date(2019, 3, 5)),
    ],
)
def test_the_newest_data_date_is_that_of_the_run_that_was_due_last(tmp_path: Path, schedule, data_date) -> None:
    pipeline = read(tmp_path, changed(("name: iris\n", f"name: iris\nschedule: {schedule}\n")))
    assert newest_data_date(pipeline, NOON) == data_date


def test_a_pipeline_that_is_not_there_or_cannot_be_used_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"There is no pipeline 'iriss' in .*/include/pipelines; there are: .*multiclass"
    ):
        choose_pipeline("iriss")
    with pytest.raises(ValueError, match=r"region"):
        read(tmp_path, changed(("region: ap-northeast-1", "region: mars")))


def test_files_are_put_and_said(aws: LocalAws, tmp_path: Path) -> None:
    folder, bucket = write(tmp_path, "train/rows.csv", "notes.txt"), new_bucket(aws)
    lines = pipeline_data.put(aws.client("s3"), aws.region, Place(bucket, KEYS), match(folder, KEYS))
    assert lines == [
        f"Put {folder}/train/rows.csv at s3://{bucket}/{KEYS['train']}",
        f"No file for validation, so s3://{bucket}/{KEYS['validation']} is left as it is",
        f"No channel for {folder}/notes.txt, so it is not put",
    ]
    assert aws.client("s3").get_object(Bucket=bucket, Key=KEYS["train"])["Body"].read() == b"train/rows.csv"


def test_the_sample_data_takes_the_place_of_nobodys_own(aws: LocalAws) -> None:
    s3, bucket = aws.client("s3"), new_bucket(aws)
    own, *others = sample_data.keys(DAY)
    s3.put_object(Bucket=bucket, Key=own, Body=b"mine")
    assert sample_data.upload(s3, aws.region, [DAY], bucket) == [f"s3://{bucket}/{key}" for key in others]
    assert s3.get_object(Bucket=bucket, Key=own)["Body"].read() == b"mine"
    assert sample_data.upload(s3, aws.region, [DAY], bucket) == []


def test_a_bucket_is_made_in_each_region(aws: LocalAws) -> None:
    for region in ("us-east-1", "eu-central-1"):
        s3 = aws.client("s3", region_name=region)
        sample_data.ensure_bucket(s3, region, f"made-in-{region}")
        assert s3.head_bucket(Bucket=f"made-in-{region}")["ResponseMetadata"]["HTTPStatusCode"] == 200
