"""What .env chooses: which AWS, which connections, whether new DAGs wait."""

from __future__ import annotations

import yaml

from compose_stack import Settings

ROLE = '\'{"conn_type": "aws", "extra": {"region_name": "ap-northeast-1"}}\''


def check(settings: Settings) -> tuple[int, str]:
    """Run what runs before everything else."""
    ran = settings.compose("run", "--rm", "-T", "check-settings", check=False, timeout=600)
    return ran.returncode, ran.stdout + ran.stderr


def test_as_make_env_writes_it_local_aws_runs_and_new_dags_run_at_once(settings: Settings) -> None:
    config = yaml.safe_load(settings.compose("config").stdout)["services"]
    assert {"local-aws", "sample-data"} <= set(settings.compose("config", "--services").stdout.split())
    assert config["dag-processor"]["environment"]["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "False"
    assert check(settings)[0] == 0


def test_on_the_real_aws_local_aws_is_off_and_new_dags_wait(settings: Settings) -> None:
    settings.set(COMPOSE_PROFILES="", DAGS_ARE_PAUSED_AT_CREATION="True", AIRFLOW_CONN_AWS_DEFAULT=ROLE)
    config = yaml.safe_load(settings.compose("config").stdout)["services"]
    assert config["dag-processor"]["environment"]["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "True"
    # What `up` would start.
    started = {name for name, service in config.items() if not service.get("profiles")}
    assert started == {"check-settings", "postgres", "init", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert check(settings)[0] == 0


def test_the_real_aws_beside_local_aws_is_refused_before_anything_starts(settings: Settings) -> None:
    settings.set(AIRFLOW_CONN_AWS_DEFAULT=ROLE)
    up = settings.compose("up", "--detach", "local-aws", "init", check=False, timeout=600)
    assert up.returncode != 0
    assert "Take local-aws out of COMPOSE_PROFILES" in settings.compose("logs", "check-settings").stdout
    running = settings.compose("ps", "--services", "--filter", "status=running").stdout.split()
    assert {"local-aws", "init"}.isdisjoint(running)


def test_a_secret_in_env_is_refused(settings: Settings) -> None:
    settings.set(
        COMPOSE_PROFILES="",
        DAGS_ARE_PAUSED_AT_CREATION="True",
        AIRFLOW_CONN_AWS_DEFAULT="aws://id:key@/?region_name=ap-northeast-1",
    )
    status, said = check(settings)
    assert status == 1
    assert "Put the connection into secrets/connections.json" in said


def test_what_env_sets_reaches_airflow(settings: Settings) -> None:
    chosen = {
        "AIRFLOW_CONN_AWS_DEFAULT": '{"conn_type": "aws", "extra": {"region_name": "ap-northeast-1"}}',
        "AIRFLOW_VAR_SAGEMAKER_NUM_CLASS": "4",
        "AIRFLOW__SECRETS__BACKEND": "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": '{"variables_prefix": null}',
    }
    settings.set(**{name: f"'{value}'" for name, value in chosen.items()})
    services = yaml.safe_load(settings.compose("config").stdout)["services"]
    for name in ("scheduler", "dag-processor", "triggerer"):
        assert {setting: services[name]["environment"].get(setting) for setting in chosen} == chosen
