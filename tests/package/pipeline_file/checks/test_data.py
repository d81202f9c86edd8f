"""Where the data files may be."""

import pytest

from pipeline_files import changed

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
    "the same file every day": (
        [("training/{{ data_date }}/iris.csv", "training/iris.csv")],
        [
            (
                "data.training: found 'training/iris.csv'; every day has a file of its own; "
                "put {{ data_date }} where the day stands"
            )
        ],
    ),
    "one folder for both channels": (
        [("validation: validation/{{ data_date }}/", "validation: training/{{ data_date }}/held-out/")],
        [
            (
                "data.validation: found 'training/2019-03-04/held-out/iris.csv' beside or below data.training, "
                "'training/2019-03-04/iris.csv'; SageMaker gives a channel its whole folder, so each needs a folder of "
                "its own"
            )
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)


def test_two_channels_that_bring_their_own_sources_may_share_the_data_folder(problems):
    sources = "".join(
        (
            f"\n    - {{ChannelName: {name}, DataSource: {{S3DataSource: {{S3DataType: S3Prefix, S3Uri: "
            f"s3://b/{name}/}}}}}}"
        )
        for name in ("training", "validation")
    )
    text = changed(
        ("  validation: validation/", "  validation: training/"),
        ("training:\n  Algo", f"training:\n  InputDataConfig:{sources}\n  Algo"),
    )
    assert problems(text) == []
