"""What a template may say."""

import pytest

from fresh_endpoints.pipeline_file import templates
from pipeline_files import changed

WRONG = {
    "misspelt name in a template": (
        [("output/{{ data_date }}", "output/{{ data_dat }}")],
        [
            (
                "training.OutputDataConfig.S3OutputPath: found 's3://{{ bucket }}/output/{{ data_dat }}/'; "
                "the name 'data_dat' is not known; did you mean 'data_date'?"
            )
        ],
    ),
    "name in UTC": (
        [("output/{{ data_date }}", "output/{{ ds }}")],
        [
            (
                "training.OutputDataConfig.S3OutputPath: found 's3://{{ bucket }}/output/{{ ds }}/'; "
                "'ds' is not allowed, "
                "because it is in UTC and missing in runs without a logical date; use data_date or date"
            )
        ],
    ),
    "secret": (
        [("  RoleArn", '  Environment: {TOKEN: "{{ conn.github.password }}"}\n  RoleArn')],
        [
            (
                "training.Environment.TOKEN: found '{{ conn.github.password }}'; 'conn' is not allowed, "
                "because rendered "
                "fields are shown in Airflow's UI and connections hold secrets; let the container read "
                "AWS Secrets Manager"
            )
        ],
    ),
    "broken template": (
        [("output/{{ data_date }}", "output/{{ data_date }")],
        [
            (
                "training.OutputDataConfig.S3OutputPath: found 's3://{{ bucket }}/output/{{ data_date }/'; "
                "it is not a Jinja template: unexpected '}'"
            )
        ],
    ),
    "no such filter": (
        [("output/{{ data_date }}", "output/{{ data_date | upperr }}")],
        [
            (
                "training.OutputDataConfig.S3OutputPath: found 's3://{{ bucket }}/output/{{ data_date | upperr }}/'; "
                "it is not a Jinja template: No filter named 'upperr'."
            )
        ],
    ),
    "template that fails": (
        [("output/{{ data_date }}", "output/{{ data_date - 1 }}")],
        [
            (
                "training.OutputDataConfig.S3OutputPath: found 's3://{{ bucket }}/output/{{ data_date - 1 }}/'; "
                "rendering it fails: unsupported operand type(s) for -: 'str' and 'int'"
            )
        ],
    ),
    "a smoke test's key with an unknown name": (
        [("name: iris\n", "name: iris\nsmoke_test: {key: 'x/{{ ds }}', content_type: text/csv}\n")],
        [
            (
                "smoke_test.key: found 'x/{{ ds }}'; 'ds' is not allowed, because it is in UTC and missing in runs "
                "without a logical date; use data_date or date"
            )
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)


def test_known_names_are_airflows():
    from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS

    ours = templates.AIRFLOW_NAMES | templates.UTC_NAMES | templates.SECRET_NAMES
    assert set(KNOWN_CONTEXT_KEYS) - {"start_date"} <= ours  # only Airflow 3.1 has that one
    assert not templates.OUR_NAMES & ours
