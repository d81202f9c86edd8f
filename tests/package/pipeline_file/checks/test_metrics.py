"""What a file may say of metrics, and rules on them."""

import pytest

from pipeline_files import changed

WRONG = {
    "metrics that no log has": (
        [
            (
                "InputMode: File}",
                (
                    "InputMode: File, MetricDefinitions: [{Name: a, Regex: 'a=(['}, {Name: b, Regex: 'b=[0-9.]+'}, "
                    "{Name: c, Regex: '(?:c)=(?<value>[0-9.]++)'}]}"
                ),
            )
        ],
        [
            (
                "training.AlgorithmSpecification.MetricDefinitions[0].Regex: found 'a=(['; it is no regular "
                "expression: unterminated character set at position 4"
            ),
            (
                "training.AlgorithmSpecification.MetricDefinitions[1].Regex: found 'b=[0-9.]+'; it captures nothing; "
                "put the number in parentheses, as in accuracy=([0-9.]+)"
            ),
        ],
    ),
    "a quality rule on a metric that is not defined": (
        [
            ("name: iris\n", "name: iris\nquality: {rules: [validation:acuracy >= 0.9, f1 > 0]}\n"),
            ("InputMode: File}", "InputMode: File, MetricDefinitions: [{Name: 'validation:accuracy', Regex: a(c)}]}"),
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
