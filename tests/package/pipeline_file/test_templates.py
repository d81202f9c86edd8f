"""What a template may say."""

from pathlib import Path

import pytest

import parsed_dags
from fresh_endpoints.pipeline_file import templates
from pipeline_files import changed

ROOT = Path(__file__).resolve().parents[3]
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
    "misspelt field of the trigger form": (
        [("output/{{ data_date }}", "output/{{ params.wait_minuts }}/{{ params['sise'] }}")],
        [
            (
                'training.OutputDataConfig.S3OutputPath: found "s3://{{ bucket }}/output/{{ params.wait_minuts }}/{{ '
                "params['sise'] }}/\"; the trigger form has no 'wait_minuts', so a scheduled run fails; did you mean "
                "'wait_minutes'?; what only a trigger's configuration may hold is params.get('wait_minuts', DEFAULT)"
            ),
            (
                'training.OutputDataConfig.S3OutputPath: found "s3://{{ bucket }}/output/{{ params.wait_minuts }}/{{ '
                "params['sise'] }}/\"; the trigger form has no 'sise', so a scheduled run fails; allowed data_date, "
                "deploy, wait_minutes; what only a trigger's configuration may hold is params.get('sise', DEFAULT)"
            ),
        ],
    ),
    "a field that the prediction's form does not have": (
        [
            (
                "name: iris\n",
                (
                    "name: iris\ntransform: {Environment: {A: '{{ params.deploy }}'}, TransformResources: "
                    "{InstanceType: ml.m4.xlarge, InstanceCount: 1}, TransformInput: {}, TransformOutput: {}}\n"
                ),
            ),
            ("  validation: ", "  prediction: prediction/{{ data_date }}/iris.csv\n  validation: "),
        ],
        [
            (
                "transform.Environment.A: found '{{ params.deploy }}'; the trigger form has no 'deploy', so a "
                "scheduled run fails; allowed data_date, wait_minutes; what only a trigger's configuration may hold is "
                "params.get('deploy', DEFAULT)"
            )
        ],
    ),
    "misspelt kind of variable": (
        [("output/{{ data_date }}", "output/{{ var.vale.x }}/{{ var['jsn'].y.z }}")],
        [
            (
                'training.OutputDataConfig.S3OutputPath: found "s3://{{ bucket }}/output/{{ var.vale.x }}/{{ '
                "var['jsn'].y.z }}/\"; 'var' has no 'vale'; allowed var.value.NAME and var.json.NAME; did you mean "
                "'value'?"
            ),
            (
                'training.OutputDataConfig.S3OutputPath: found "s3://{{ bucket }}/output/{{ var.vale.x }}/{{ '
                "var['jsn'].y.z }}/\"; 'var' has no 'jsn'; allowed var.value.NAME and var.json.NAME; did you mean "
                "'json'?"
            ),
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
                "the filter 'upperr' is not allowed; did you mean 'upper'?"
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

    ours = templates.AIRFLOW_NAMES | templates.REFUSED_NAMES | templates.UTC_NAMES | templates.SECRET_NAMES
    assert set(KNOWN_CONTEXT_KEYS) - {"start_date"} <= ours  # only Airflow 3.1 has that one
    assert not templates.OUR_NAMES & ours


@pytest.mark.parametrize(
    "text",
    [
        "{{ params.data_date or data_date }}",
        "{{ params['wait_minutes'] }}",
        "{{ params.get('size', 10) }}",
        "{{ params.size | default(10) }}",
        "{% if params.size is defined %}{{ params.size }}{% endif %}",
        "{{ params[pipeline] | default('') }}",
        "{{ var.value.x }}{{ var.json['x'].y }}{{ var.value.get('x', 'y') }}{{ var['value'].x }}",
    ],
)
def test_what_there_is_and_what_a_template_takes_care_of(problems, text):
    assert problems(changed(("output/{{ data_date }}", text.replace('"', "'")))) == []


def test_the_known_fields_are_those_of_the_trigger_forms(tmp_path):
    found = parsed_dags.parse(
        ROOT / "dags",
        tmp_path / "home",
        AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
    )
    fields = {dag_id: set(dag["params"]) for dag_id, dag in found["dags"].items()}
    assert fields == {
        "train_and_deploy_multiclass": templates.PARAMS,
        "batch_predict_multiclass": templates.PARAMS - {"deploy"},
        # Its steps know those of the others, too: they render the same sections.
        "redeploy_multiclass": {"model", "hold_days", "reason"},
        "tell_later": set(),
        "watch_models": set(),
    }
