"""What the section ``transform`` may say."""

import pytest

from pipeline_files import changed

WRONG = {
    "transform without data to predict on, and with what is added": (
        [
            (
                "name: iris\n",
                (
                    "name: iris\ntransform: {ModelName: x, TransformInput: {DataSource: {}}, TransformResources: "
                    "{InstanceType: ml.m4.xlarge, InstanceCount: 1}, "
                    "TransformOutput: {S3OutputPath: s3://x/, Acept: x}}\n"
                ),
            ),
        ],
        [
            "transform.ModelName: found 'x'; remove it: the model is the one that the run has trained",
            "transform.TransformInput.DataSource: found {}; remove it: it is the folder of data.prediction",
            (
                "transform.TransformOutput.S3OutputPath: found 's3://x/'; remove it: it is "
                "output-prediction/<data date>/<pipeline>/"
            ),
            "data.prediction: found nothing; it must be given where there is a transform section",
            (
                "transform.TransformOutput.Acept: found an unknown key; allowed S3OutputPath, Accept, "
                "AssembleWith, KmsKeyId; did you mean 'Accept'?"
            ),
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)
