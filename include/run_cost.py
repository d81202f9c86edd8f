"""Works out what a pipeline costs on AWS, one run and the endpoint's day, with the arithmetic shown.

Counts and instance types are the pipeline file's. Prices are not known here: they differ by region and change, so they
are options. Take them from https://aws.amazon.com/sagemaker/ai/pricing/: an hour of an instance for training, real-time
inference and batch transform, and a GB-month of ML storage. AWS bills by the second. S3, ECR, logs and data transfer,
cents for an example of this size, are left out.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PIPELINE = Path(__file__).resolve().parent / "pipelines" / "multiclass.yaml"
_HOUR = 3600
_MONTH = 30 * 24 * _HOUR


@dataclass(frozen=True)
class Prices:
    """What AWS charges, in one currency.

    Attributes:
        training: For an hour of the training job's instance.
        hosting: For an hour of an instance behind the endpoint.
        transform: For an hour of the transform job's instance.
        storage: For a GB of a training job's volume in a month.
    """

    training: float
    hosting: float
    transform: float
    storage: float


def main(arguments: list[str] | None = None) -> int:
    """Print the cost.

    Args:
        arguments: The command line without the program's name; None for the process's own.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description="Work out what a pipeline costs on AWS.")
    parser.add_argument("file", type=Path, nargs="?", default=PIPELINE, help="pipeline file (default: the sample)")
    for name in ("training", "hosting", "transform"):
        parser.add_argument(f"--{name}", type=float, required=True, metavar="PRICE", help=f"an instance hour of {name}")
    parser.add_argument("--storage", type=float, required=True, metavar="PRICE", help="a GB-month of a job's volume")
    parser.add_argument(
        "--training-seconds", type=int, default=300, help="BillableTimeInSeconds (default: %(default)s)"
    )
    parser.add_argument("--transform-seconds", type=int, default=300, help="the same (default: %(default)s)")
    given = parser.parse_args(arguments)
    content = yaml.safe_load(given.file.read_text(encoding="utf-8"))
    prices = Prices(given.training, given.hosting, given.transform, given.storage)
    for line in lines(content, prices, given.training_seconds, given.transform_seconds):
        print(line)  # noqa: T201 - the command's output
    return 0


def lines(content: dict[str, Any], prices: Prices, training_seconds: int, transform_seconds: int) -> list[str]:
    """Work out the lines.

    Args:
        content: A pipeline file's content.
        prices: What AWS charges.
        training_seconds: What the training job is billed for.
        transform_seconds: What the transform job is billed for, where the pipeline has one.

    Returns:
        One line for each thing paid for, then the sums.
    """
    resources = content["training"]["ResourceConfig"]
    count, gigabytes = resources["InstanceCount"], resources["VolumeSizeInGB"]
    training = count * training_seconds * prices.training / _HOUR
    volume = count * gigabytes * training_seconds * prices.storage / _MONTH
    kind = resources["InstanceType"]
    said = [
        f"training    {count} x {kind} x {training_seconds} s x {prices.training:g}/3600 s = {training:.4f}",
        f"its volume  {count} x {gigabytes} GB x {training_seconds} s x {prices.storage:g}/{_MONTH} s = {volume:.4f}",
    ]
    run = training + volume
    if transform := content.get("transform"):
        resources = transform["TransformResources"]
        cost = resources["InstanceCount"] * transform_seconds * prices.transform / _HOUR
        said.append(
            f"transform   {resources['InstanceCount']} x {resources['InstanceType']} x {transform_seconds} s x "
            f"{prices.transform:g}/3600 s = {cost:.4f}"
        )
        run += cost
    day = 0.0
    for variant in content.get("endpoint_config", {}).get("ProductionVariants", []):
        if "InstanceType" not in variant:
            said.append(f"endpoint    variant {variant['VariantName']} is serverless: paid by request, not counted")
            continue
        cost = variant["InitialInstanceCount"] * 24 * prices.hosting
        said.append(
            f"endpoint    {variant['InitialInstanceCount']} x {variant['InstanceType']} x 24 h x {prices.hosting:g}/h"
            f" = {cost:.4f} a day"
        )
        day += cost
    said += [
        f"a run       {run:.4f}",
        f"a day       {run:.4f} + {day:.4f} = {run + day:.4f}",
        f"30 days     30 x {run + day:.4f} = {30 * (run + day):.2f}",
    ]
    limit = content["training"]["StoppingCondition"]["MaxRuntimeInSeconds"]
    most = count * limit * prices.training / _HOUR
    said.append(f"At most     MaxRuntimeInSeconds: {count} x {limit} s x {prices.training:g}/3600 s = {most:.4f}")
    return said


if __name__ == "__main__":
    sys.exit(main())
