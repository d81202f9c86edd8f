"""Which deployments a smoke test can ask."""

import pytest

from pipeline_files import changed

TEST = ("name: iris\n", "name: iris\nsmoke_test: {body: x, content_type: text/csv}\n")
VARIANT = "- {VariantName: AllTraffic, InstanceType: ml.m4.xlarge, InitialInstanceCount: 1}"
CHAMPION = VARIANT.replace("AllTraffic", "champion, ModelName: champion")


def test_a_model_in_shadow_mode_cannot_be_asked(problems):
    shadow = (VARIANT, f"{CHAMPION}\n  ShadowProductionVariants:\n    {VARIANT}")
    assert problems(changed(shadow)) == []
    assert problems(changed(shadow, TEST)) == [
        (
            "smoke_test: found, while the run's model is in ShadowProductionVariants only, which answer no request; "
            "remove smoke_test, or leave ModelName out of a production variant"
        )
    ]


def test_a_container_that_must_be_named_cannot_be_asked(problems):
    direct = (
        "endpoint_config",
        (
            "model: {InferenceExecutionConfig: {Mode: Direct}, Containers: "
            "[{Image: x, ContainerHostname: x}, {ContainerHostname: iris}]}\nendpoint_config"
        ),
    )
    assert problems(changed(direct)) == []
    assert problems(changed(direct, TEST)) == [
        (
            "smoke_test: found with model.InferenceExecutionConfig.Mode 'Direct', in which a request must name a "
            "container, as the smoke test does not; remove smoke_test, or write Serial"
        )
    ]


def test_an_asynchronous_endpoint_is_asked_by_a_file_only(problems):
    asynchronous = (VARIANT, f"{VARIANT}\n  AsyncInferenceConfig: {{OutputConfig: {{S3OutputPath: s3://b/}}}}")
    assert problems(changed(asynchronous, (TEST[0], TEST[1].replace("body: x", "key: smoke/iris.csv")))) == []
    assert problems(changed(asynchronous, TEST)) == [
        (
            "smoke_test.body: found with endpoint_config.AsyncInferenceConfig; an asynchronous endpoint reads its "
            "requests from S3, so write them to a file there, and give its key in the place of body"
        )
    ]


@pytest.mark.parametrize(
    "change",
    [
        (VARIANT, f"{CHAMPION}\n    {VARIANT}"),
        (VARIANT, f"{VARIANT}\n  ShadowProductionVariants:\n    {CHAMPION}"),
        ("endpoint_config", "model: {InferenceExecutionConfig: {Mode: Serial}, Containers: [{}]}\nendpoint_config"),
    ],
    ids=["beside a champion", "beside a shadow", "serial"],
)
def test_what_a_smoke_test_can_ask(problems, change):
    assert problems(changed(change, TEST)) == []
