"""What a person brings to a laptop: programs for an image, files for a channel, a pipeline; else the sample's.

Images and the pipeline are remembered: what is kept between two runs is of them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from local_aws import pipeline_data, sample_data
from local_aws.docker_engine import SCHEME
from local_aws.images import Image, read_image, read_source


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options by which a person brings something.

    Args:
        parser: The parser of a command line.
    """
    images = "image and the folder with its programs train and serve, or docker://TAG; may be repeated"
    parser.add_argument("--image", action="append", default=[], metavar="NAME=FOLDER", help=images)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="files for the pipeline's data")
    pipeline = f"name or file (default: the last one's, else {pipeline_data.SAMPLE})"
    parser.add_argument("--pipeline", help=pipeline)
    parser.add_argument("--data-date", type=dt.date.fromisoformat, metavar="YYYY-MM-DD", help="the day of the data")
    parser.add_argument("--fresh", action="store_true", help="forget what the last one has left")


class OwnModel:
    """What a command line names; what it does not is as it was the last time, else the sample's.

    Attributes:
        images: Name to folder, or to Docker's image.
        pipeline: The pipeline.
        pipelines_dir: The folder of its file, where it is not the package's own; else None.
        is_sample: Whether it is the sample pipeline with the sample's data.
    """

    def __init__(self, options: argparse.Namespace, memory: Path) -> None:
        """Look at what is there.

        Args:
            options: What add_options() has added.
            memory: The file in which remember() has written what was named the last time.

        Raises:
            ValueError: An image or the pipeline cannot be used.
        """
        last = {} if options.fresh or not memory.exists() else json.loads(memory.read_text())
        named = dict(map(read_image, options.image))
        self.images = _kept_images(last.get("images", {}), named.keys()) | named
        self._memory = memory
        self._named: str = options.pipeline or last.get("pipeline", pipeline_data.SAMPLE)
        self.pipeline, folder = pipeline_data.choose_pipeline(self._named)
        self.pipelines_dir = None if folder == pipeline_data.PIPELINES else folder
        self._data: Path | None = options.data
        is_sample_pipeline = self.pipelines_dir is None and self.pipeline.name == pipeline_data.SAMPLE
        self.is_sample = is_sample_pipeline and self._data is None

    def remember(self) -> None:
        """Write what is to be used the next time, unless that names something else."""
        named = str(Path(self._named).expanduser().resolve()) if self.pipelines_dir else self._named
        images = {name: str(image) for name, image in self.images.items()}
        self._memory.write_text(json.dumps({"pipeline": named, "images": images}, indent=2) + "\n")

    def newest_data_date(self) -> dt.date:
        """Return the day that the pipeline's newest run trains on."""
        return pipeline_data.newest_data_date(self.pipeline, dt.datetime.now(dt.timezone.utc))

    def files(self, data_date: dt.date) -> pipeline_data.Matched | None:
        """Find out which of the person's files go where; None where they bring none.

        Args:
            data_date: The day of the data.

        Raises:
            ValueError: They do not fit the pipeline's data, or only a run knows where its data is.
        """
        if self._data is None:
            return None
        place = pipeline_data.place_of(self.pipeline, data_date)
        return pipeline_data.match(self._data, place.keys, place.markers)

    def put(self, s3: Any, data_date: dt.date, sample_days: Sequence[dt.date]) -> list[str]:
        """Put the person's files into S3, or the sample's.

        Args:
            s3: A boto3 S3 client of the pipeline's region.
            data_date: The day of the person's files.
            sample_days: The days of the sample's.

        Returns:
            What was done, a line each.

        Raises:
            ValueError: As files() does.
        """
        region = self.pipeline.region
        if found := self.files(data_date):
            return pipeline_data.put(s3, region, pipeline_data.place_of(self.pipeline, data_date), found)
        if self.is_sample:
            urls = sample_data.upload(s3, region, sample_days)
            days = f"{sample_days[0]} to {sample_days[-1]}"
            is_long = len(sample_days) > 1
            return (
                [f"Sample data for {days} is in s3://{sample_data.BUCKET}"] if is_long else [f"Put {u}" for u in urls]
            )
        return [f"No data is put for {self.pipeline.name}: DATA=FOLDER would put some"]


def _kept_images(last: Mapping[str, str], others: Container[str]) -> dict[str, Image]:
    """Take the images of the last time, but for others; a folder that has gone since is forgotten."""
    kept = {name: source for name, source in last.items() if name not in others}
    return {name: read_source(source) for name, source in kept.items() if source.startswith(SCHEME)} | {
        name: Path(source) for name, source in kept.items() if Path(source).is_dir()
    }
