"""What the sections ``endpoint_config`` and ``endpoint`` may say."""

import pytest

from pipeline_files import changed

WRONG = {
    "misspelt key in endpoint_config": (
        [("VariantName: AllTraffic", "VariantNam: AllTraffic")],
        [
            "endpoint_config.ProductionVariants[0].VariantName: found nothing; a value is required here",
            "endpoint_config.ProductionVariants[0].VariantNam: found an unknown key; did you mean 'VariantName'?",
        ],
    ),
    "misspelt key in endpoint": (
        [("endpoint_config", "endpoint: {EndpointNam: iris}\nendpoint_config")],
        [
            (
                "endpoint.EndpointNam: found an unknown key; allowed DeploymentConfig, EndpointName, "
                "ExcludeRetainedVariantProperties, RetainAllVariantProperties, RetainDeploymentConfig; "
                "did you mean 'EndpointName'?"
            ),
        ],
    ),
    "a model of its own in each variant": (
        [("InitialInstanceCount: 1", "InitialInstanceCount: 1, ModelName: champion")],
        [
            (
                "endpoint_config.ProductionVariants: found a ModelName in each; leave it out of one: the model is the "
                "one that the run has trained"
            ),
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)
