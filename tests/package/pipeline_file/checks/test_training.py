"""What the section ``training`` may say."""

import pytest

from pipeline_files import changed

WRONG = {
    "misspelt key in training": (
        [("  ResourceConfig", "  ResorceConfig")],
        [
            "training.ResorceConfig: found an unknown key; did you mean 'ResourceConfig'?",
            "training.ResourceConfig: found nothing; a value is required here",
        ],
    ),
    "misspelt enum in a section": (
        [("ml.m4.xlarge, InstanceCount", "ml.m4.xlrge, InstanceCount")],
        ["training.ResourceConfig.InstanceType: found 'ml.m4.xlrge'; did you mean 'ml.m4.xlarge'?"],
    ),
    "number for a hyperparameter": (
        [("  RoleArn", "  HyperParameters: {num_class: 3}\n  RoleArn")],
        [
            "training.HyperParameters.num_class: found 3 (an integer); it must be a string; put the value in quotes",
        ],
    ),
    "an extra channel without a source": (
        [("training:\n  Algo", "training:\n  InputDataConfig: [{ChannelName: extra}]\n  Algo")],
        ["training.InputDataConfig[0].DataSource: found nothing; a value is required here"],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)
