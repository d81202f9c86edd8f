"""What a file may say of metrics, and rules on them."""

import pytest

from pipeline_files import changed

WRONG = {
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
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)
