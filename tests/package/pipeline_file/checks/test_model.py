"""What the section ``model`` may say."""

import pytest

from pipeline_files import changed

SERVERLESS = (
    "InstanceType: ml.m4.xlarge, InitialInstanceCount: 1",
    "ServerlessConfig: {MemorySizeInMB: 2048, MaxConcurrency: 1}",
)
WRONG = {
    "misspelt key in model": (
        [("endpoint_config", "model: {VpcConfg: {}}\nendpoint_config")],
        [
            (
                "model.VpcConfg: found an unknown key; allowed PrimaryContainer, Containers, InferenceExecutionConfig, "
                "ExecutionRoleArn, VpcConfig, EnableNetworkIsolation; did you mean 'VpcConfig'?"
            ),
        ],
    ),
    "nowhere for the model": (
        [("endpoint_config", "model: {Containers: [{Image: x, ModelDataUrl: s3://x}]}\nendpoint_config")],
        [
            (
                "model.Containers: found a model in each; leave it out of one: the model is the one that the run has "
                "trained"
            ),
        ],
    ),
    "more than one container for the model": (
        [
            (
                "endpoint_config",
                (
                    "model: {Containers: [{Image: scale}, {Image: serve}, {Image: x, ModelDataUrl: "
                    "s3://x}]}\nendpoint_config"
                ),
            )
        ],
        [
            (
                "model.Containers: found no model in Containers[0] and Containers[1], so it is not clear which gets "
                "the one that the run has trained; write ModelDataSource: {} in that one"
            )
        ],
    ),
    "the training's image in two containers": (
        [
            (
                "endpoint_config",
                "model: {Containers: [{Image: 'repo:latest'}, {Image: 'repo:latest'}, {Image: 1}]}\nendpoint_config",
            )
        ],
        [
            (
                "model.Containers: found no model in Containers[0], Containers[1] and Containers[2], so it is not "
                "clear which gets the one that the run has trained; write ModelDataSource: {} in that one"
            ),
            "model.Containers[2].Image: found 1 (an integer); it must be a string; put the value in quotes",
        ],
    ),
    "a container without an image": (
        [("endpoint_config", "model: {Containers: [{ModelDataUrl: s3://x}, {}]}\nendpoint_config")],
        [
            (
                "model.Containers[0].Image: found nothing; it must be given, as the training has no TrainingImage that "
                "it could be"
            )
        ],
    ),
    "an uncompressed model to predict with, and for a serverless endpoint": (
        [
            ('/output/{{ data_date }}/"', '/output/{{ data_date }}/", CompressionType: NONE'),
            (
                "InstanceType: ml.m4.xlarge, InitialInstanceCount: 1",
                "ServerlessConfig: {MemorySizeInMB: 2048, MaxConcurrency: 1}",
            ),
            ("  validation: ", "  prediction: prediction/{{ data_date }}/iris.csv\n  validation: "),
            (
                "name: iris\n",
                (
                    "name: iris\ntransform: {TransformResources: {InstanceType: ml.m4.xlarge, InstanceCount: 1}, "
                    "TransformInput: {}, TransformOutput: {}}\n"
                ),
            ),
        ],
        [
            (
                "training.OutputDataConfig.CompressionType: found 'NONE'; a batch transform takes compressed models "
                "only; remove it, or remove transform"
            ),
            (
                "training.OutputDataConfig.CompressionType: found 'NONE'; a serverless endpoint takes compressed "
                "models only; remove it, or choose an InstanceType"
            ),
        ],
    ),
    "many models instead of one": (
        [("endpoint_config", "model: {PrimaryContainer: {Mode: MultiModel}}\nendpoint_config")],
        ["model.PrimaryContainer.Mode: found 'MultiModel'; a run deploys the one model that it has trained; remove it"],
    ),
    "many models in the trained one's container": (
        [
            (
                "endpoint_config",
                (
                    "model: {Containers: [{Image: x, ModelDataUrl: s3://x/, Mode: MultiModel}, {Mode: "
                    "MultiModel}]}\nendpoint_config"
                ),
            )
        ],
        ["model.Containers[1].Mode: found 'MultiModel'; a run deploys the one model that it has trained; remove it"],
    ),
    "direct mode without names": (
        [
            (
                "endpoint_config",
                (
                    "model: {InferenceExecutionConfig: {Mode: Direct}, Containers: [{Image: x, ContainerHostname: x}, "
                    "{}]}\nendpoint_config"
                ),
            )
        ],
        [
            (
                "model.Containers[1].ContainerHostname: found nothing; in Direct mode each request names its "
                "container, so every container must have one"
            )
        ],
    ),
    "a name for one container only": (
        [("endpoint_config", "model: {Containers: [{Image: x}, {ContainerHostname: iris}]}\nendpoint_config")],
        [
            (
                "model.Containers[0].ContainerHostname: found nothing; it stands in another container, so every "
                "container must have one"
            )
        ],
    ),
    "what a serverless endpoint does not have": (
        [
            SERVERLESS,
            ("  RoleArn", "  VpcConfig: {SecurityGroupIds: [sg-0a], Subnets: [subnet-0a]}\n  RoleArn"),
            (
                "endpoint_config:",
                (
                    "model: {EnableNetworkIsolation: true, Containers: [{}]}\nendpoint_config:\n  DataCaptureConfig: "
                    "{InitialSamplingPercentage: 1, DestinationS3Uri: s3://x, CaptureOptions: [{CaptureMode: Input}]}"
                ),
            ),
            (
                "ProductionVariants:",
                (
                    "ProductionVariants:\n    - {VariantName: champion, ModelName: champion, InstanceType: "
                    "ml.m4.xlarge, InitialInstanceCount: 1}"
                ),
            ),
        ],
        [
            "endpoint_config.ProductionVariants: found 2 variants; a serverless endpoint has one",
            "endpoint_config.DataCaptureConfig: found for a serverless endpoint, which captures nothing; remove it",
            "model.Containers: found for a serverless endpoint, which runs one container; write PrimaryContainer",
            (
                "model.VpcConfig: found nothing, so it is that of training.VpcConfig, for a serverless endpoint, which "
                "allows none; write VpcConfig: null, or choose an InstanceType"
            ),
            (
                "model.EnableNetworkIsolation: found for a serverless endpoint, which allows none; write "
                "EnableNetworkIsolation: false, or choose an InstanceType"
            ),
        ],
    ),
    "no image to serve": (
        [('TrainingImage: "repo:latest"', "AlgorithmName: iris")],
        [
            (
                "model.PrimaryContainer.Image: found nothing; it must be given, as the training has no TrainingImage "
                "that it could be"
            ),
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)


@pytest.mark.parametrize(
    "containers",
    [
        "[{}]",
        "[{Image: scale}, {}]",
        "[{Image: scale, ContainerHostname: scale}, {ContainerHostname: iris}]",
        "[{Image: scale}, {Image: 'repo:latest'}]",
        "[{Image: 'repo:latest'}, {Image: serve, ModelDataSource: {}}]",
        "[{ModelPackageName: scaler}, {Image: serve}]",
        "['{{ var.json.scaler }}', {}]",
    ],
)
def test_it_is_clear_which_container_gets_the_model(problems, containers):
    found = problems(changed(("endpoint_config", f"model: {{Containers: {containers}}}\nendpoint_config")))
    assert [problem for problem in found if "var.json" not in problem] == []


def test_a_serverless_endpoint_whose_training_runs_in_a_vpc(problems):
    vpc = "  VpcConfig: {SecurityGroupIds: [sg-0a], Subnets: [subnet-0a]}\n  EnableNetworkIsolation: true\n  RoleArn"
    own = "model: {VpcConfig: null, EnableNetworkIsolation: false}\nendpoint_config"
    assert problems(changed(SERVERLESS, ("  RoleArn", vpc), ("endpoint_config", own))) == []


def test_many_models_beside_the_trained_one(problems):
    containers = "[{Image: x, ModelDataUrl: s3://x/, Mode: MultiModel}, {}]"
    assert problems(changed(("endpoint_config", f"model: {{Containers: {containers}}}\nendpoint_config"))) == []
