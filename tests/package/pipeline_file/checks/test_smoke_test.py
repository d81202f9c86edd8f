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


@pytest.mark.parametrize(
    "change",
    [
        (VARIANT, f"{CHAMPION}\n    {VARIANT}"),
        (VARIANT, f"{VARIANT}\n  ShadowProductionVariants:\n    {CHAMPION}"),
        (VARIANT, f"{VARIANT}\n  AsyncInferenceConfig: {{OutputConfig: {{S3OutputPath: s3://b/}}}}"),
        (
            "endpoint_config",
            (
                "model: {InferenceExecutionConfig: {Mode: Direct}, Containers: "
                "[{Image: x, ContainerHostname: x}, {ContainerHostname: iris}]}\nendpoint_config"
            ),
        ),
    ],
    ids=["beside a champion", "beside a shadow", "asynchronous", "direct"],
)
def test_what_a_smoke_test_can_ask(problems, change):
    assert problems(changed(change, TEST)) == []
