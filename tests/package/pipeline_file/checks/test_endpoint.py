"""What the sections ``endpoint_config`` and ``endpoint`` may say."""

import pytest

from fresh_endpoints.pipeline_file.checks.pipeline import find_warnings
from fresh_endpoints.pipeline_file.loading import load_pipeline
from pipeline_files import BASE, changed

ALL_TRAFFIC = "- {VariantName: AllTraffic, InstanceType: ml.m4.xlarge, InitialInstanceCount: 1}"
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
    "neither instances nor serverless": (
        [("InstanceType: ml.m4.xlarge, InitialInstanceCount: 1", "InitialVariantWeight: 1")],
        [
            (
                "endpoint_config.ProductionVariants[0].InstanceType: found nothing; it must be given with "
                "InitialInstanceCount, or ServerlessConfig in their place"
            )
        ],
    ),
    "no number of instances": (
        [(", InitialInstanceCount: 1", "")],
        [
            (
                "endpoint_config.ProductionVariants[0].InitialInstanceCount: found nothing; with InstanceType it must "
                "be given"
            )
        ],
    ),
    "instances and serverless": (
        [
            (
                "InitialInstanceCount: 1",
                "InitialInstanceCount: 1, ServerlessConfig: {MemorySizeInMB: 2048, MaxConcurrency: 1}",
            )
        ],
        [
            (
                "endpoint_config.ProductionVariants[0].InstanceType: found beside ServerlessConfig, which is for a "
                "variant without instances; remove either"
            ),
            (
                "endpoint_config.ProductionVariants[0].InitialInstanceCount: found beside ServerlessConfig, which is "
                "for a variant without instances; remove either"
            ),
        ],
    ),
    "two variants of one name": (
        [
            (
                ALL_TRAFFIC,
                (
                    f"{ALL_TRAFFIC}\n    {ALL_TRAFFIC}\n  ShadowProductionVariants:\n    {ALL_TRAFFIC}\n    "
                    f"{ALL_TRAFFIC.replace('All', 'No')}"
                ),
            )
        ],
        [
            (
                "endpoint_config.ProductionVariants[1].VariantName: found 'AllTraffic', the name of "
                "ProductionVariants[0]; each variant needs a name of its own; change one"
            ),
            (
                "endpoint_config.ShadowProductionVariants[0].VariantName: found 'AllTraffic', the name of "
                "ProductionVariants[0]; each variant needs a name of its own; change one"
            ),
            (
                "endpoint_config.ShadowProductionVariants: found 2 beside 2 ProductionVariants; SageMaker allows one "
                "beside one; remove the others"
            ),
        ],
    ),
    "inference components": (
        [
            (
                "InitialInstanceCount: 1",
                (
                    "InitialInstanceCount: 1, ManagedInstanceScaling: {Status: ENABLED, MinInstanceCount: 1, "
                    "MaxInstanceCount: 2}"
                ),
            )
        ],
        [
            (
                "endpoint_config.ProductionVariants[0].ManagedInstanceScaling: found a member for endpoints of "
                "inference components, while a run deploys its model as a variant; remove it, and let Application Auto "
                "Scaling change the number of instances"
            )
        ],
    ),
    "two ways to update": (
        [
            (
                "endpoint_config",
                (
                    "endpoint: {DeploymentConfig: {BlueGreenUpdatePolicy: {TrafficRoutingConfiguration: {Type: "
                    "ALL_AT_ONCE, WaitIntervalInSeconds: 0}}, RollingUpdatePolicy: {MaximumBatchSize: {Type: "
                    "INSTANCE_COUNT, Value: 1}, WaitIntervalInSeconds: 0}}}\nendpoint_config"
                ),
            )
        ],
        [
            (
                "endpoint.DeploymentConfig.RollingUpdatePolicy: found beside BlueGreenUpdatePolicy; SageMaker takes "
                "one of them; remove the other"
            )
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


@pytest.mark.parametrize(
    "variants",
    [
        ALL_TRAFFIC,
        "- {VariantName: a, ServerlessConfig: {MemorySizeInMB: 2048, MaxConcurrency: 1}}",
        "- {VariantName: a, InstancePools: [{InstanceType: ml.m4.xlarge, Priority: 1}]}",
        f"{ALL_TRAFFIC}\n    {ALL_TRAFFIC.replace('All', 'No')}",
        f"{ALL_TRAFFIC}\n  ShadowProductionVariants:\n    {ALL_TRAFFIC.replace('All', 'No')}",
        (
            "- '{{ var.json.variant }}'\n    - {VariantName: b, InstanceType: '{{ var.value.i }}', "
            "InitialInstanceCount: 1}"
        ),
    ],
)
def test_right_variants(problems, variants):
    found = problems(changed((ALL_TRAFFIC, variants)))
    assert [problem for problem in found if "var.json" not in problem] == []


@pytest.mark.parametrize(
    ("variant", "endpoint", "count"),
    [
        (ALL_TRAFFIC, "{}", 1),
        (ALL_TRAFFIC, "{RetainAllVariantProperties: true}", 0),
        (ALL_TRAFFIC, "{RetainAllVariantProperties: false}", 0),
        ("- {VariantName: a, ServerlessConfig: {MemorySizeInMB: 2048, MaxConcurrency: 1}}", "{}", 0),
    ],
)
def test_instances_whose_number_each_deployment_sets_back_are_warned_of(folder, variant, endpoint, count):
    text = changed((ALL_TRAFFIC, variant), ("endpoint_config", f"endpoint: {endpoint}\nendpoint_config"))
    (folder / "iris.yaml").write_text(text)
    warnings = find_warnings(load_pipeline(folder / "iris.yaml"))
    assert len(warnings) == count
    assert all(warning.startswith("endpoint.RetainAllVariantProperties: found nothing; ") for warning in warnings)


def test_what_serves_a_model_may_be_left_out_where_nothing_is_deployed(problems):
    text = BASE[: BASE.index("endpoint_config")]
    assert problems(text) == ["endpoint_config: found nothing; a value is required here, unless deploy is never"]
    assert problems(f"{text}endpoint_config: {{}}\n") == problems(text)
    assert problems(f"{text}deploy: never\n") == []
