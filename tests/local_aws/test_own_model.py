"""What a person brings to `make up` and `make demo`, and what is remembered of it."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

import pytest

from local_aws.own_model import OwnModel, add_options
from local_aws.process import LocalAws
from pipeline_files import changed

DAY = dt.date(2019, 3, 4)


@pytest.fixture
def own(tmp_path: Path):
    """What a command line brings; the memory is the test's own."""

    def own(*arguments: str) -> OwnModel:
        parser = argparse.ArgumentParser()
        add_options(parser)
        return OwnModel(parser.parse_args(arguments), tmp_path / "memory.json")

    return own


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "train").write_text("")
    return tmp_path / "image"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A pipeline file in a folder of its own."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "iris.yaml").write_text(changed(("bucket: sample-bucket", "bucket: brought")))
    return tmp_path / "mine" / "iris.yaml"


def test_without_anything_it_is_the_sample(own) -> None:
    found = own()
    assert (found.pipeline.name, found.pipelines_dir, found.images, found.is_sample) == ("multiclass", None, {}, True)
    assert found.files(DAY) is None


def test_image_and_pipeline_are_those_of_the_last_time_until_others_are_named(own, image: Path, file: Path) -> None:
    own("--pipeline", str(file), "--image", f"a={image}").remember()
    found = own()
    assert (found.pipeline.name, found.pipelines_dir, found.images) == ("iris", file.parent, {"a": image})
    found = own("--image", f"b={image}", "--pipeline", "multiclass")
    found.remember()
    assert own().images == {"a": image, "b": image}
    assert own().is_sample
    assert own("--fresh").images == {}
    (image / "train").unlink()
    image.rmdir()
    assert own().images == {}


def test_a_pipeline_that_has_gone_since_is_said(own, file: Path) -> None:
    own("--pipeline", str(file)).remember()
    file.unlink()
    with pytest.raises(ValueError, match=r"There is no pipeline 'iris' in .*/mine; there are: none"):
        own()


def test_the_samples_data_is_put_only_where_a_person_brings_none(own, file: Path, local_aws: LocalAws) -> None:
    s3 = local_aws.client("s3")
    assert own("--pipeline", str(file)).put(s3, DAY, [DAY]) == ["No data is put for iris: DATA=FOLDER would put some"]
    for channel in ("training", "validation"):
        (file.parent / channel).mkdir()
        (file.parent / channel / "iris.csv").write_text("1,2\n")
    lines = own("--pipeline", str(file), "--data", str(file.parent)).put(s3, DAY, [DAY])
    assert lines[:2] == [
        f"Put {file.parent}/{channel}/iris.csv at s3://brought/{channel}/2019-03-04/iris.csv"
        for channel in ("training", "validation")
    ]
    assert s3.get_object(Bucket="brought", Key="training/2019-03-04/iris.csv")["Body"].read() == b"1,2\n"
    days = [DAY, DAY + dt.timedelta(days=1)]
    assert own().put(s3, DAY, days) == ["Sample data for 2019-03-04 to 2019-03-05 is in s3://sample-bucket"]
