"""What the section ``model`` may say."""

import pytest

from pipeline_files import changed

WRONG = {
    "misspelt key in model": (
        [("endpoint_config", "model: {VpcConfg: {}}\nendpoint_config")],
        [
            (
                "model.VpcConfg: found an unknown key; allowed PrimaryContainer, Containers, InferenceExecutionConfig, "
                "ExecutionRoleArn, VpcConfig, EnableNetworkIsolation; did you mean 'VpcConfig'?"
            ),
        ],
    ),
    "nowhere for the model": (
        [("endpoint_config", "model: {Containers: [{Image: x, ModelDataUrl: s3://x}]}\nendpoint_config")],
        [
            "model.Containers: found a model in each; leave it out of one: the model is the one that the run has "
            "trained",
        ],
    ),
    "no image to serve": (
        [('TrainingImage: "repo:latest"', "AlgorithmName: iris")],
        [
            "model.PrimaryContainer.Image: found nothing; it must be given, as training names no TrainingImage",
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)
