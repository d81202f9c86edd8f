"""What is not a file's to give."""

import pytest

from pipeline_files import changed

WRONG = {
    "the file's own keys in a section": (
        [
            ("  RoleArn", "  transform: {}\n  RoleArn"),
            ("endpoint_config:\n", "endpoint: {retention: {keep: 3}}\nendpoint_config:\n"),
        ],
        [
            "training.transform: found an unknown key; it belongs at the top; move it there",
            "endpoint.retention: found an unknown key; it belongs at the top; move it there",
        ],
    ),
    "a member a level too deep": (
        [("MaxRuntimeInSeconds: 1800", "MaxRuntimeInSeconds: 1800, EnableManagedSpotTraining: false")],
        [
            (
                "training.StoppingCondition.EnableManagedSpotTraining: found an unknown key; it belongs in training; "
                "move it there"
            )
        ],
    ),
    "a member a level too high": (
        [
            ("  RoleArn", "  InstanceType: ml.m4.xlarge\n  RoleArn"),
            ("endpoint_config:\n", "endpoint_config:\n  InstanceType: ml.m4.xlarge\n"),
        ],
        [
            "training.InstanceType: found an unknown key; it belongs in training.ResourceConfig; move it there",
            (
                "endpoint_config.InstanceType: found an unknown key; it belongs in endpoint_config.ProductionVariants; "
                "move it there"
            ),
        ],
    ),
    "members that are not the file's to give": (
        [
            ("  RoleArn", "  TrainingJobName: iris\n  Tags: []\n  RoleArn"),
            ("endpoint_config:\n", "endpoint: {EndpointConfigName: x}\nendpoint_config:\n  EndpointConfigName: x\n"),
            ("endpoint_config", "model: {ModelName: x, PrimaryContainer: {ModelDataUrl: s3://x}}\nendpoint_config"),
        ],
        [
            (
                "training.TrainingJobName: found 'iris'; remove it: it is made from pipeline, data date and run, "
                "so that no run trains twice"
            ),
            "training.Tags: found []; remove it: write tags under aws_tags",
            "model.ModelName: found 'x'; remove it: it is the training job's name",
            "endpoint_config.EndpointConfigName: found 'x'; remove it: it is the training job's name",
            "endpoint.EndpointConfigName: found 'x'; remove it: it is the training job's name",
            (
                "model.PrimaryContainer.ModelDataUrl: found 's3://x'; remove it: the model is the one that the run has "
                "trained"
            ),
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)
