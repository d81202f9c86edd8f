"""The hooks' clients are the provider's in all but what they cost."""

from __future__ import annotations

import gc
import inspect

import pytest
from airflow.sdk.log import redact
from botocore import credentials, loaders
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from fresh_endpoints.aws import clients, service_model
from fresh_endpoints.aws.errors import BOTOCORE_CONFIG

HOOKS = {
    "sagemaker": clients.SageMakerHook,
    "s3": clients.S3Hook,
    "logs": clients.AwsLogsHook,
}


@pytest.fixture(autouse=True)
def connection(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", '{"conn_type": "aws", "login": "a", "password": "b"}')


def hook_of(service):
    return HOOKS[service](aws_conn_id="aws_default", region_name="eu-west-1", config=BOTOCORE_CONFIG)


@pytest.mark.parametrize("service", HOOKS)
def test_the_client_is_of_the_connection_region_and_configuration(service):
    client = hook_of(service).get_conn()
    assert client.meta.service_model.service_name == service
    assert client.meta.region_name == "eu-west-1"
    assert client.meta.config.retries["mode"] == "adaptive"
    assert client.meta.config.retries["total_max_attempts"] == 8


def test_a_second_client_shares_the_session_and_may_have_another_configuration():
    hook = hook_of("sagemaker")
    assert hook.get_session() is hook.get_session()
    other = hook.get_client_type(config=Config(retries={"total_max_attempts": 1}))
    assert other is not hook.get_conn()
    assert other.meta.config.retries["total_max_attempts"] == 1
    assert hook_of("sagemaker").get_session() is not hook.get_session()


@pytest.mark.parametrize("service", ["sagemaker-runtime", "s3"])
def test_a_client_of_another_service_is_of_the_same_connection(monkeypatch, service):
    hook = hook_of("sagemaker")
    session = hook.get_session()
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")  # What was read is not read again.
    client = hook.client_of(service)
    assert client.meta.service_model.service_name == service
    assert client.meta.region_name == "eu-west-1"
    assert client.meta.config.retries["total_max_attempts"] == 8
    assert hook.get_session() is session
    assert hook.get_conn().meta.service_model.service_name == "sagemaker"


def test_requests_are_completed_by_the_description_that_the_client_has_read(monkeypatch):
    service_model.loader.cache_clear()
    service_model._service_model.cache_clear()
    service_model._input_shape.cache_clear()
    hook_of("sagemaker").get_conn()
    monkeypatch.setattr(loaders.JSONFileLoader, "load_file", None)  # Nothing reads it a second time.
    assert service_model.coerce("CreateTrainingJob", {"ResourceConfig": {"InstanceCount": "2"}}) == {
        "ResourceConfig": {"InstanceCount": 2}
    }


def test_what_was_read_about_a_service_serves_every_client(monkeypatch):
    clients.read_descriptions("sagemaker", "s3")
    monkeypatch.setattr(loaders.JSONFileLoader, "load_file", None)  # Nothing is read from disk any more.
    assert hook_of("sagemaker").get_conn().meta.endpoint_url == "https://api.sagemaker.eu-west-1.amazonaws.com"
    assert hook_of("s3").get_conn().meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"


def test_reading_about_services_looks_for_no_credentials(monkeypatch):
    monkeypatch.setattr(credentials, "create_credential_resolver", None)
    clients.read_descriptions("sagemaker-runtime")


def test_the_descriptions_are_those_of_the_configured_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert str(tmp_path) in hook_of("sagemaker").get_session()._session.get_component("data_loader").search_paths


def test_nothing_goes_through_the_stack_and_the_user_agent_tells_who_calls(monkeypatch):
    looks = []
    stack = inspect.stack
    monkeypatch.setattr(inspect, "stack", lambda *args, **kwargs: looks.append(1) or stack(*args, **kwargs))
    client = hook_of("sagemaker").get_conn()
    assert looks == []
    assert "Caller/FreshEndpoints" in client.meta.config.user_agent_extra


def test_what_was_imported_is_passed_over_once(monkeypatch):
    freezes = []
    monkeypatch.setattr(gc, "freeze", lambda: freezes.append(1))
    clients._pass_over_imports.cache_clear()
    for _ in range(2):
        hook_of("s3").get_conn()
    assert freezes == [1]


@pytest.mark.parametrize("token", ["FwoGZXIvYXdzEBYaDMsessiontoken==", "FwoGZXIvYXdzEBYaDMsessiontoken2==\n"])
def test_a_sessions_token_is_masked_in_logs_and_messages_wherever_it_is_from(monkeypatch, token):
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT", '{"conn_type": "aws", "extra": {"endpoint_url": "http://127.0.0.1:1"}}'
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    assert token.strip() in redact(f"x-amz-security-token:{token}")
    client = hook_of("sagemaker").get_client_type(config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(BotoCoreError) as error:
        client.list_training_jobs()
    assert token.strip() not in redact(f"x-amz-security-token:{token} {error.value}")
    assert "wJalrXUtnFEMI" not in str(error.value)
