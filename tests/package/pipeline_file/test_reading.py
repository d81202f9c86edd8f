"""What a file is refused for before its values are looked at, and in which words."""

import pytest

from fresh_endpoints.pipeline_file.loading import load_pipelines
from pipeline_files import BASE, changed

WRONG = {
    "misspelt key": (
        [("region:", "regoin:")],
        [
            "region: found nothing; a value is required here",
            "regoin: found an unknown key; did you mean 'region'?",
        ],
    ),
    "misspelt key of a channel": (
        [("training: training/{{ data_date }}/iris.csv", "training: {key: t/x.csv, fil: true}")],
        ["data.training.fil: found an unknown key; allowed key, wait, file, content_type; did you mean 'file'?"],
    ),
    "a channel without a key": (
        [("training: training/{{ data_date }}/iris.csv", "training: {wait: false}")],
        ["data.training.key: found nothing; a value is required here"],
    ),
    "a channel that is no key": (
        [("training: training/{{ data_date }}/iris.csv", "training: [t/x.csv]")],
        [("data.training: found ['t/x.csv']; it must be an S3 key, or a mapping of key, wait, file, content_type")],
    ),
    "a channel's choices that are none": (
        [("training: training/{{ data_date }}/iris.csv", "training: {key: t/x.csv, wait: 3, file: 'no'}")],
        [
            "data.training.file: found 'no' (a string); it must be true or false",
            "data.training.wait: found 3; it must be true, false, or the S3 key to wait for",
        ],
    ),
    "a prediction that is a channel's": (
        [("data:\n", "data:\n  prediction: {key: x}\n")],
        ["data.prediction: found {'key': 'x'} (a mapping); it must be a string"],
    ),
    "misspelt key in slack": (
        [("name: iris\n", "name: iris\nslack: {chanel: aws_notify}\n")],
        ["slack.chanel: found an unknown key; allowed connection, channel, username; did you mean 'channel'?"],
    ),
    "misspelt choice": (
        [("name: iris\n", "name: iris\ndeploy: alway\n")],
        ["deploy: found 'alway'; allowed auto, always, never; did you mean 'always'?"],
    ),
    "types and ranges": (
        [("name: iris\n", "name: iris\ncatchup: maybe\nwait_minutes: -1\ndag_tags: iris\ndescription: [a]\n")],
        [
            "description: found ['a'] (a list); it must be a string",
            "dag_tags: found 'iris' (a string); it must be a list",
            "catchup: found 'maybe' (a string); it must be true or false",
            "wait_minutes: found -1; it must have value greater than or equal to 0",
        ],
    ),
    "key that is no text": (
        [("name: iris\n", "name: iris\nmodel: {}\nslack:\n  1: x\n")],
        ["slack.1: found a key that is no text; put it in quotes"],
    ),
    "empty section": (
        [("endpoint_config", "model:\nendpoint_config")],
        ["model: found nothing; it must be a mapping"],
    ),
    "name that SageMaker refuses": (
        [("name: iris", "name: iris_model")],
        [
            (
                "name: found 'iris_model'; allowed letters, digits and hyphens between them, because "
                "SageMaker names begin "
                "with it"
            )
        ],
    ),
    "name that leaves no room": (
        [("name: iris", f"name: {'i' * 33}")],
        [f"name: found '{'i' * 33}'; it has 33 characters; allowed 32, to leave room in job names"],
    ),
    "name of another file": (
        [("name: iris", "name: multiclass")],
        ["name: found 'multiclass'; it must be 'iris', as the file is iris.yaml; change either"],
    ),
    "quoted day": (
        [("name: iris\n", 'name: iris\nstart_date: "2019-03-01"\n')],
        ["start_date: found '2019-03-01' (a string); it must be a date without quotes, such as 2019-03-01"],
    ),
    "no such day": (
        [("name: iris\n", "name: iris\nstart_date: 2019-02-30\n")],
        ["iris.yaml:2:13: found '2019-02-30': day is out of range for month"],
    ),
    "region": (
        [("ap-northeast-1", "tokyo")],
        ["region: found 'tokyo'; it must be the name of an AWS region, such as ap-northeast-1"],
    ),
    "template where none is rendered": (
        [("name: iris\n", "name: iris\nslack: {channel: '{{ var.value.channel }}'}\n")],
        [
            (
                "slack.channel: found '{{ var.value.channel }}'; templates are not rendered in this field; "
                "write the value itself"
            )
        ],
    ),
    "template without quotes": (
        [("bucket: sample-bucket", "bucket: {{ pipeline }}-data")],
        ["iris.yaml:3:23: did not find expected key; put a value that begins with {{ in quotes"],
    ),
    "double quotes in double quotes": (
        [("bucket: sample-bucket", """bucket: "{{ var.value.get("bucket", 'x') }}\"""")],
        [
            (
                "iris.yaml:3:28: did not find expected key; the quotes around the template end inside of it; use the "
                "other kind of quotes there"
            )
        ],
    ),
    "single quotes in single quotes": (
        [("bucket: sample-bucket", "bucket: '{{ var.value.get('bucket') }}'")],
        [
            (
                "iris.yaml:3:28: did not find expected key; the quotes around the template end inside of it; use the "
                "other kind of quotes there"
            )
        ],
    ),
    "double quotes in double quotes, in a flow": (
        [('TrainingImage: "repo:latest"', 'TrainingImage: "{{ var.value["image"] }}"')],
        [
            (
                "iris.yaml:8:58: did not find expected ',' or '}'; the quotes around the template end inside of it; "
                "use the other kind of quotes there"
            )
        ],
    ),
    "two strings where one belongs": (
        [("bucket: sample-bucket", 'bucket: "{{ pipeline }}" "x"')],
        ["iris.yaml:3:26: did not find expected key"],
    ),
    "a key a level too deep": (
        [("region: ap-northeast-1\n", ""), ("data:\n", "data:\n  region: ap-northeast-1\n")],
        [
            (
                "region: found nothing; a value is required here; one stands in data, where it is a level too deep; "
                "move it to the top"
            ),
        ],
    ),
    "a section a level too deep": (
        [("endpoint_config:\n  ProductionVariants:\n    -", "  endpoint_config:\n    ProductionVariants:\n      -")],
        [
            "endpoint_config: found nothing; a value is required here, unless deploy is never",
            "training.endpoint_config: found an unknown key; it belongs at the top; move it there",
        ],
    ),
    "a missing section whose name is a key elsewhere": (
        [("training:\n  Algo", "trainin:\n  Algo")],
        [
            "training: found nothing; a value is required here",
            "trainin: found an unknown key; did you mean 'training'?",
        ],
    ),
    "a key a level too high": (
        [("name: iris\n", "name: iris\nchannel: aws_notify\nrules: [a > 1]\n")],
        [
            "channel: found an unknown key; it belongs in slack; move it there",
            "rules: found an unknown key; it belongs in quality; move it there",
        ],
    ),
    "the webhook itself": (
        [("name: iris\n", "name: iris\nslack: {webhook: https://hooks.example.com/services/T/B/X}\n")],
        [
            (
                "slack.webhook: found an unknown key; allowed connection, channel, username; the webhook's address is "
                "a secret: put it into an Airflow connection of type Slack Incoming Webhook, and name that in "
                "slack.connection"
            )
        ],
    ),
    "the webhook itself for the section": (
        [("name: iris\n", "name: iris\nslack: https://hooks.example.com/services/T/B/X\n")],
        ["slack: found '(hidden)' (a string); it must be a mapping"],
    ),
    "the webhook itself for the connection": (
        [("name: iris\n", "name: iris\nslack: {connection: https://hooks.example.com/services/T/B/X}\n")],
        [
            (
                "slack.connection: found '(hidden)'; it must be the name of an Airflow connection; the webhook's "
                "address is a secret, which belongs in that connection"
            )
        ],
    ),
    "template as a whole value without quotes": (
        [("bucket: sample-bucket", "bucket: {{ pipeline }}")],
        ["iris.yaml:3:10: found unhashable key; put a value that begins with {{ in quotes"],
    ),
    "reserved and wrong tags": (
        [("name: iris\n", "name: iris\naws_tags: {'aws:a': x, 'fresh-endpoints:b': y, c: '!', d: 1}\n")],
        ["aws_tags.d: found 1 (an integer); it must be a string; put the value in quotes"],
    ),
    "a quality rule that is none": (
        [("name: iris\n", "name: iris\nquality: {rules: [accuracy is good]}\n")],
        [
            (
                "quality.rules[0]: found 'accuracy is good'; it is no rule; allowed METRIC >= BOUND, with >=, >, <= or "
                '<, where BOUND is a number or "live", "live - NUMBER" or "live + NUMBER", such as '
                '"validation:accuracy >= 0.9"'
            )
        ],
    ),
    "no quality rules": (
        [("name: iris\n", "name: iris\nquality: {rules: []}\n")],
        ["quality.rules: found []; it must hold at least one; leave the section out where there is none"],
    ),
    "a smoke test without and with too many bodies": (
        [("name: iris\n", "name: iris\nsmoke_test: {content_type: text/csv}\n")],
        ["smoke_test: found {'content_type': 'text/csv'}; it must have one of body and key"],
    ),
    "a smoke test's wrong pattern and key": (
        [("name: iris\n", "name: iris\nsmoke_test: {body: x, content_type: text/csv, expect: '(', expct: x}\n")],
        [
            (
                "smoke_test.expect: found '('; it is no regular expression: missing ), unterminated subpattern at "
                "position 0"
            ),
            (
                "smoke_test.expct: found an unknown key; allowed body, key, content_type, accept, expect, "
                "patience_seconds; did you mean 'expect'?"
            ),
        ],
    ),
    "a smoke test without patience": (
        [("name: iris\n", "name: iris\nsmoke_test: {body: x, content_type: text/csv, patience_seconds: -1}\n")],
        ["smoke_test.patience_seconds: found -1; it must have value greater than or equal to 0"],
    ),
    "retention for longer than there is AWS": (
        [("name: iris\n", "name: iris\nretention: {keep: 1, keep_days: 1000000000000}\n")],
        ["retention.keep_days: found 1000000000000; it must have value less than or equal to 3650"],
    ),
    "retention that keeps nothing": (
        [("name: iris\n", "name: iris\nretention: {keep: 0}\n")],
        ["retention.keep: found 0; it must have value greater than or equal to 1"],
    ),
    "repeated key": (
        [("name: iris\n", "name: iris\nmodel: {a: 1,\n  b: 2, a: 3}\n")],
        ["iris.yaml:3:9: found the key 'a' again (first in line 2); remove one"],
    ),
    "broken YAML": ([("bucket: sample-bucket", "bucket: [")], ["iris.yaml:5:11: did not find expected ',' or ']'"]),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "found nothing; it must be a mapping of keys such as name, region, bucket"),
        (b"- a", "found a list; it must be a mapping of keys such as name, region, bucket"),
        (b"\xff", "not YAML: unacceptable character #x00ff: invalid leading UTF-8 octet"),
        (b"a: \x07", "not YAML: unacceptable character #x0007: control characters are not allowed"),
        (b"!!python/object/apply:os.getcwd []", "could not determine a constructor for the tag"),
        (b"a: !!set {x}", "a.yaml:1:4: found a value of the kind set; no request takes one; write a list or text"),
        (b"a: !!omap [x: y]", "a.yaml:1:4: found a value of the kind omap; no request takes one"),
        (b"a: !!pairs [x: y]", "a.yaml:1:4: found a value of the kind pairs; no request takes one"),
        (b"a: !!binary eA==", "a.yaml:1:4: found a value of the kind binary; no request takes one"),
        (b"a: " + b"[" * 40, "did not find expected node content"),
        (b"a: &a\n  b: *a", "found *a inside of what it stands for; write out what belongs there"),
    ],
)
def test_hostile_content_is_an_error_of_its_file_only(folder, content, problem):
    (folder / "a.yaml").write_bytes(content)
    (folder / "iris.yaml").write_text(BASE)
    loaded = load_pipelines(folder)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["iris"]
    [error] = loaded.errors
    assert error.path == folder / "a.yaml"
    assert problem in str(error)


def test_there_are_no_more_channels_than_sagemaker_takes(problems):
    channels = [f"c{number}: c{number}/{{{{ data_date }}}}/x" for number in range(19)]
    text = changed(("data:\n", "".join(["data:\n", *(f"  {channel}\n" for channel in channels[:18])])))
    assert problems(text) == []
    [problem] = problems(text.replace("data:\n", f"data:\n  {channels[18]}\n"))
    assert problem.startswith("data: found {'c18': 'c18/{{ data_date }}/x', ")
    assert problem.endswith("; these are 21 channels; SageMaker takes 20; remove some")
