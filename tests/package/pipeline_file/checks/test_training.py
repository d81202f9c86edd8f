"""What the section ``training`` may say, and the rules on its metrics."""

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
    "a quality rule on a metric that is not defined": (
        [
            ("name: iris\n", "name: iris\nquality: {rules: [validation:acuracy >= 0.9, f1 > 0]}\n"),
            ("InputMode: File}", "InputMode: File, MetricDefinitions: [{Name: 'validation:accuracy', Regex: x}]}"),
        ],
        [
            (
                "quality.rules[0]: found 'validation:acuracy >= 0.9'; training.AlgorithmSpecification."
                "MetricDefinitions names no metric 'validation:acuracy'; did you mean 'validation:accuracy'?"
            ),
            (
                "quality.rules[1]: found 'f1 > 0'; training.AlgorithmSpecification.MetricDefinitions names no metric "
                "'f1'; allowed validation:accuracy"
            ),
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
