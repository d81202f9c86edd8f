"""Where the data files may be."""

import pytest

from pipeline_files import changed

PREDICTION = (
    "name: iris\n",
    (
        "name: iris\ntransform: {TransformResources: {InstanceType: ml.m4.xlarge, InstanceCount: 1}, "
        "TransformInput: {}, TransformOutput: {}}\n"
    ),
)
WRONG = {
    "bucket": (
        [("sample-bucket", "Sample_Bucket")],
        [
            (
                "bucket: found 'Sample_Bucket'; it must be an S3 bucket's name: 3 to 63 lower-case "
                "letters, digits, dots "
                "and hyphens, with a letter or digit at both ends"
            )
        ],
    ),
    "key with the bucket": (
        [("training: training/", "training: s3://{{ bucket }}/training/")],
        [
            (
                "data.training: found 's3://{{ bucket }}/training/{{ data_date }}/iris.csv'; write the key alone, "
                "as the bucket is in `bucket`"
            )
        ],
    ),
    "key with a slash before it": (
        [("training: training/", "training: /training/")],
        [
            "data.training: found '/training/{{ data_date }}/iris.csv'; S3 keys do not begin with a slash; remove it",
        ],
    ),
    "folder for a file": (
        [("training/{{ data_date }}/iris.csv", "training/{{ data_date }}/")],
        ["data.training: found 'training/{{ data_date }}/'; it must be a file's key, not a folder's"],
    ),
    "file in no folder": (
        [("training/{{ data_date }}/iris.csv", "iris-{{ data_date }}.csv")],
        [
            (
                "data.training: found 'iris-{{ data_date }}.csv'; it must be in a folder, because SageMaker "
                "reads whole folders"
            ),
        ],
    ),
    "one folder for the files of all days": (
        [("training/{{ data_date }}/iris.csv", "training/{{ data_date }}.csv")],
        [
            (
                "data.training: found 'training/{{ data_date }}.csv'; SageMaker reads its whole folder, which is the "
                "same every day, with the files of all days; put {{ data_date }} into the folder, as in training/{{ "
                "data_date }}/{{ data_date }}.csv"
            )
        ],
    ),
    "one folder for the files of a month": (
        [
            (
                "validation: validation/{{ data_date }}/iris.csv",
                "validation: \"v/{{ data_date.replace('-', '/') }}.csv\"",
            )
        ],
        [
            (
                "data.validation: found \"v/{{ data_date.replace('-', '/') }}.csv\"; SageMaker reads its whole folder, "
                "which is the same every day, with the files of all days; put {{ data_date }} into the folder, as in "
                "v/{{ data_date }}/{{ data_date.replace('-', '/') }}.csv"
            )
        ],
    ),
    "one folder for the files of all days, whose names only a run knows": (
        [("training/{{ data_date }}/iris.csv", "training/{{ macros.ds_format(data_date, '%Y-%m-%d', '%d/%m') }}.csv")],
        [
            (
                "data.training: found \"training/{{ macros.ds_format(data_date, '%Y-%m-%d', '%d/%m') }}.csv\"; "
                "SageMaker reads its whole folder, which is the same every day, with the files of all days; put {{ "
                "data_date }} into the folder, as in training/{{ data_date }}/{{ macros.ds_format(data_date, "
                "'%Y-%m-%d', '%d/%m') }}.csv"
            )
        ],
    ),
    "one folder for the predictions of all days": (
        [PREDICTION, ("  validation: ", "  prediction: prediction/{{ data_date }}.csv\n  validation: ")],
        [
            (
                "data.prediction: found 'prediction/{{ data_date }}.csv'; SageMaker reads its whole folder, which is "
                "the same every day, with the files of all days; put {{ data_date }} into the folder, as in "
                "prediction/{{ data_date }}/{{ data_date }}.csv"
            )
        ],
    ),
    "prediction above the channels": (
        [
            PREDICTION,
            (
                "training: training/{{ data_date }}",
                "prediction: in/{{ data_date }}/iris.csv\n  training: in/{{ data_date }}/training",
            ),
            ("validation: validation/{{ data_date }}", "validation: in/{{ data_date }}/validation"),
        ],
        [
            (
                "data.training: found 'in/2019-03-04/training/iris.csv' beside or below data.prediction, "
                "'in/2019-03-04/iris.csv'; SageMaker reads whole folders, so each needs a folder of its own"
            ),
            (
                "data.validation: found 'in/2019-03-04/validation/iris.csv' beside or below data.prediction, "
                "'in/2019-03-04/iris.csv'; SageMaker reads whole folders, so each needs a folder of its own"
            ),
        ],
    ),
    "a folder of both channels that only a run knows": (
        [
            ("training: training/{{ data_date }}", "training: '{{ macros.ds_add(data_date, 1) }}"),
            (
                "iris.csv\n  validation: validation/{{ data_date }}",
                "iris.csv'\n  validation: '{{ macros.ds_add(data_date, 1) }}",
            ),
            ("iris.csv\ntraining:", "iris.csv'\ntraining:"),
        ],
        [
            (
                "data.validation: found '{{ macros.ds_add(data_date, 1) }}/iris.csv' beside or below data.training, "
                "'{{ macros.ds_add(data_date, 1) }}/iris.csv'; SageMaker reads whole folders, so each needs a folder "
                "of its own"
            )
        ],
    ),
    "wildcards": (
        [
            ("training/{{ data_date }}/iris.csv", "training/{{ data_date }}/*.csv"),
            ("validation/{{ data_date }}/iris", "validation/{{ data_date }}/{{ macros.uuid.uuid4() }}[0-9]"),
        ],
        [
            (
                "data.training: found 'training/{{ data_date }}/*.csv'; S3 knows no wildcards, so no file is ever "
                "found; write a whole key, without *, such as that of the file _SUCCESS that is written last: "
                "SageMaker reads the files beside it, too"
            ),
            (
                "data.validation: found 'validation/{{ data_date }}/{{ macros.uuid.uuid4() }}[0-9].csv'; S3 knows no "
                "wildcards, so no file is ever found; write a whole key, without [, such as that of the file _SUCCESS "
                "that is written last: SageMaker reads the files beside it, too"
            ),
        ],
    ),
    "a key that begins as a URL does": (
        [("training: training/", "training: raw:v1/"), ("validation: validation/", "validation: iris+v.1-0:/")],
        [
            (
                "data.training: found 'raw:v1/{{ data_date }}/iris.csv'; 'raw:' makes a URL of it, so no file is ever "
                "found; let the key begin with something else"
            ),
            (
                "data.validation: found 'iris+v.1-0:/{{ data_date }}/iris.csv'; 'iris+v.1-0:' makes a URL of it, so no "
                "file is ever found; let the key begin with something else"
            ),
        ],
    ),
    "a key that ends with a space": (
        [("training: training/{{ data_date }}/iris.csv", "training: 'training/{{ data_date }}/iris.csv '")],
        [
            (
                "data.training: found 'training/{{ data_date }}/iris.csv '; there is white space at its ends, which "
                "would be part of the key; remove it"
            )
        ],
    ),
    "a smoke test's key that is none": (
        [("name: iris\n", "name: iris\nsmoke_test: {key: 's3://{{ bucket }}/smoke.csv', content_type: text/csv}\n")],
        ["smoke_test.key: found 's3://{{ bucket }}/smoke.csv'; write the key alone, as the bucket is in `bucket`"],
    ),
    "one folder for both channels": (
        [("validation: validation/{{ data_date }}/", "validation: training/{{ data_date }}/held-out/")],
        [
            (
                "data.validation: found 'training/2019-03-04/held-out/iris.csv' beside or below data.training, "
                "'training/2019-03-04/iris.csv'; SageMaker reads whole folders, so each needs a folder of its own"
            )
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)


@pytest.mark.parametrize(
    "keys_folder",
    [
        "{{ data_date.replace('-', '/') }}/",
        "{{ macros.ds_format(data_date, '%Y-%m-%d', '%Y%m%d') }}/",
        "{{ dag_run.conf.day }}/",
        "dt={{ data_date }}/part:1/",
        "{{ macros.ds_add(data_date, 1) }}/",
        "{% if data_date %}/{{ data_date }}/{% endif %}/",
    ],
)
def test_a_folder_of_each_day(problems, keys_folder):
    text = changed(("training: training/{{ data_date }}/iris.csv", f'training: "training/{keys_folder}iris.csv"'))
    assert problems(text) == []


@pytest.mark.parametrize("day", ["{{ data_date }}", "{{ macros.ds_add(data_date, 1) }}"])
def test_a_key_in_a_block_of_its_own(problems, day):
    """Jinja drops the line's end."""
    text = changed(("training: training/{{ data_date }}/iris.csv", f"training: |\n    training/{day}/iris.csv"))
    assert problems(text) == []


def test_a_channel_of_one_file_needs_no_folder(problems):
    for key in ("training/{{ data_date }}.csv", "{{ data_date }}.csv"):
        given = f"training: {{key: '{key}', file: true}}"
        assert problems(changed(("training: training/{{ data_date }}/iris.csv", given))) == []


def test_two_files_of_a_folder_may_be_two_channels(problems):
    text = changed(
        ("training: training/{{ data_date }}/iris.csv", "training: {key: 'in/{{ data_date }}/a.csv', file: true}"),
        (
            "validation: validation/{{ data_date }}/iris.csv",
            "validation: {key: 'in/{{ data_date }}/b.csv', file: true}",
        ),
    )
    assert problems(text) == []
    assert problems(text.replace("a.csv', file: true", "a.csv'")) == [
        (
            "data.validation: found 'in/2019-03-04/b.csv' beside or below data.training, 'in/2019-03-04/a.csv'; "
            "SageMaker reads whole folders, so each needs a folder of its own"
        ),
    ]
    assert problems(text.replace("b.csv", "a.csv.gz")) == [
        (
            "data.validation: found 'in/2019-03-04/a.csv.gz', which begins with data.training, 'in/2019-03-04/a.csv'; "
            "SageMaker reads each object whose key begins so; give one of them another key"
        ),
    ]


WINDOWS = {
    "a month to date": "{key: 'in/{{ data_date[:7] }}', file: true, wait: 'in/{{ data_date }}/_SUCCESS'}",
    "a folder of months": "{key: 'in/{{ data_date[:4] }}/', file: true, wait: 'in/{{ data_date }}/_SUCCESS'}",
    "the day before": "in/{{ macros.ds_add(data_date, -1) }}/_SUCCESS",
    "the files that a manifest names": "{key: 'manifests/{{ data_date }}.json', file: true}",
}


@pytest.mark.parametrize("channel", WINDOWS.values(), ids=WINDOWS)
def test_a_moving_window_is_right_and_not_warned_of(problems, warnings, channel):
    text = changed(("training: training/{{ data_date }}/iris.csv", f"training: {channel}"))
    assert problems(text) == []
    assert warnings(text) == []


def test_a_key_that_is_waited_for_is_a_files(problems):
    text = changed(("training/{{ data_date }}/iris.csv", "{key: 'in/{{ data_date }}/', file: true}"))
    assert problems(text.replace("training: training: ", "training: ")) == [
        "data.training: found 'in/{{ data_date }}/'; it must be a file's key, not a folder's"
    ]
    text = changed(("training: training/{{ data_date }}/iris.csv", "training: {key: 'in/a.csv', wait: 's3://b/x'}"))
    assert problems(text) == ["data.training.wait: found 's3://b/x'; write the key alone, as the bucket is in `bucket`"]


def test_a_channel_has_a_name_that_sagemaker_takes(problems):
    assert problems(changed(("training: training/", "my training: training/"))) == [
        (
            "data.my training: found a channel's name that SageMaker does not take; allowed letters, digits, dots, "
            "hyphens and underscores, 64 at most"
        ),
    ]
    assert problems(changed(("training: training/", "my.train_ing-1: training/"))) == []


FIXED = {
    "the same file every day": "training/iris.csv",
    "the same file every day, but for what is the same every day": (
        "training/{{ pipeline }}/{{ var.value.x }}/{{ params.data_date }}.csv"
    ),
    "the same file every month": "training/{{ data_date[-2:] }}/iris.csv",
}


@pytest.mark.parametrize("key", FIXED.values(), ids=FIXED)
def test_a_key_that_is_the_same_every_day_is_allowed_and_said(problems, warnings, key):
    text = changed(("training/{{ data_date }}/iris.csv", key))
    assert problems(text) == []
    assert warnings(text) == [
        (
            f"data.training: found {key!r}, which is not another one each day, so a run may train on what an earlier "
            "one has trained on; put {{ data_date }} where the day stands, or write wait: false if it is meant"
        ),
    ]
    assert (
        warnings(changed(("training: training/{{ data_date }}/iris.csv", f"training: {{key: '{key}', wait: false}}")))
        == []
    )


def test_a_prediction_file_that_is_the_same_every_day_is_allowed_and_said(warnings):
    assert warnings(changed(("  validation: ", "  prediction: p/x.csv\n  validation: "))) == [
        (
            "data.prediction: found 'p/x.csv', which is not another one each day; put {{ data_date }} where the day "
            "stands, unless each model is to predict on the same file"
        ),
    ]


def test_what_waits_for_nothing_is_said(problems, warnings):
    text = changed(
        ("training: training/{{ data_date }}/iris.csv", "training: {key: 't/{{ data_date }}/x', wait: false}"),
        ("  validation: validation/{{ data_date }}/iris.csv\n", ""),
    )
    waits_for_nothing = (
        "data: found no channel that a run waits for, so it trains whether there is new data or not; write the key of "
        "a file that each day brings"
    )
    assert problems(text) == []
    assert warnings(text) == [waits_for_nothing]
    for changes in (
        [("data:", "data: {}"), ("  training: training/{{ data_date }}/iris.csv\n", "")],
        [("data:\n", ""), ("  training: training/{{ data_date }}/iris.csv\n", "")],
    ):
        text = changed(*changes, ("  validation: validation/{{ data_date }}/iris.csv\n", ""))
        assert problems(text) == []
        assert warnings(text) == [
            waits_for_nothing,
            (
                "training: found no channel, neither under data nor in InputDataConfig, so the container is given no "
                "data; write one, unless it needs none"
            ),
        ]


def test_a_channel_whose_name_is_nearly_prediction_is_said(warnings):
    assert warnings(changed(("  validation: ", "  predictions: "))) == [
        "data.predictions: found another key than 'prediction', so it is a channel; did you mean 'prediction'?"
    ]


def test_a_prediction_file_that_nothing_reads_needs_no_folder(problems):
    assert problems(changed(("  validation: ", "  prediction: 'p/{{ data_date }}.csv'\n  validation: "))) == []
