"""Each example sends what its plan says, request by request."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import yaml

from pipeline_under_test import ROOT, SAMPLE_DATA
from planned_and_sent import DAY, compare, in_the_plans_words, of
from sagemaker_requests import ROLE

EXAMPLES = ROOT / "include" / "pipelines" / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
TINY = "1.dkr.ecr.x.amazonaws.com/tiny:1"


@dataclass(frozen=True)
class Refusal:
    """What local AWS does not do of an example; it refuses the request, which has been sent and is compared by then.

    Attributes:
        operation: The request's.
        words: The refusal's.
        change: Takes that out of the file, so that all the other requests are sent, too. No plan of theirs differs.
    """

    operation: str
    words: str
    change: Callable[[dict], object]


REFUSED = {
    "gpu-spot": Refusal(
        "CreateTrainingJob",
        "cannot do AlgorithmSpecification.TrainingInputMode 'FastFile'",
        lambda content: content["training"]["AlgorithmSpecification"].update(TrainingInputMode="File"),
    ),
    "inference-pipeline": Refusal("CreateModel", "cannot do Containers", lambda content: content.update(model={})),
}


@pytest.fixture
def example(pipeline, monkeypatch):
    """Puts an example with its data into the place of the test's own pipeline.

    Only its name and its retries differ: the examples' own tests share local AWS, and what is refused is not to be sent
    again. Its images are those of tests/support/images in the place of AWS's own, or the sample's.
    """

    def example(name):
        (pipeline.folder / f"{pipeline.name}.yaml").unlink()
        pipeline.name = f"{name}-plan"
        pipeline.content = {**yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text()), "name": pipeline.name}
        pipeline.write(lambda content: content.update(retries=0))
        for key, content in data_of(name, pipeline.name).items():
            pipeline.s3.put_object(Bucket="sample-bucket", Key=key, Body=content)
        if name == "gpu-spot":  # A program of one's own, which takes whatever channels there are.
            monkeypatch.setenv("AIRFLOW_VAR_SAGEMAKER_IMAGE", TINY)
        monkeypatch.setenv("AIRFLOW_VAR_CHAMPION_MODEL", f"chosen-for-{pipeline.name}")
        if name == "champion-challenger":
            create_champion(pipeline)
        return pipeline

    return example


def data_of(example, name):
    """The files of an example's day, and what it reads that is the same every day."""
    rows = {kind: (SAMPLE_DATA / kind / "iris.csv").read_bytes() for kind in ("training", "validation", "prediction")}
    day = {f"input-data-{kind}/{DAY}/{name}/iris.csv": content for kind, content in rows.items()}
    day[f"input-data-train/{DAY}/{name}/iris.csv"] = rows["training"]
    if example in ("xgboost", "gpu-spot"):  # The last file of a channel's folder.
        day |= {f"input-data-{kind}/{DAY}/{name}/_SUCCESS": b"" for kind in ("train", "validation")}
    scripts = [EXAMPLES / "script-mode" / script for script in ("train.py", "inference.py")]
    code = packed({path.name: path.read_bytes() for path in scripts})
    always = {f"input-data-code/v1/{name}/sourcedir.tar.gz": code}
    always[f"input-data-smoke-test/v1/{name}/one.csv"] = b"5.1,3.5,1.4,0.2\n"
    return day | always


def packed(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def create_champion(pipeline):
    key = f"models/{pipeline.name}/champion.tar.gz"
    pipeline.s3.put_object(Bucket="sample-bucket", Key=key, Body=packed({"model.txt": b"champion"}))
    pipeline.sagemaker.create_model(
        ModelName=f"chosen-for-{pipeline.name}",
        PrimaryContainer={"Image": TINY, "ModelDataUrl": f"s3://sample-bucket/{key}"},
        ExecutionRoleArn=ROLE,
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_example_sends_what_the_plan_says(example, planned, sent, name):
    pipeline = example(name)
    plan = planned(pipeline.name)
    if refusal := REFUSED.get(name):
        is_refused_where_that_is_sent(refusal, pipeline, plan, sent)
        pipeline.write(refusal.change)
        whole, plan = plan, planned(pipeline.name)
        pairs = zip(whole["requests"], plan["requests"], strict=True)
        assert {one["operation"] for one, other in pairs if one["request"] != other["request"]} == {refusal.operation}
    compare(pipeline, plan, sent)


def is_refused_where_that_is_sent(refusal, pipeline, plan, sent):
    sent.clear()
    assert pipeline.run(DAY).state == "failed"
    [words] = [words for operation, words in sent.refused if operation == refusal.operation]
    assert refusal.words in words
    found = in_the_plans_words(sent, pipeline.name)
    requests = [request for operation, request in found if operation == refusal.operation]
    assert requests == of(plan, refusal.operation)
