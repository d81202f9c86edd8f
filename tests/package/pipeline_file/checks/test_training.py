"""What the section ``training`` may say."""

import pytest

from pipeline_files import changed

ELSEWHERE = "DataSource: {S3DataSource: {S3DataType: S3Prefix, S3Uri: 's3://b/x/'}}"
FILE_SYSTEM = (
    "DataSource: {FileSystemDataSource: {FileSystemId: fs-0123456789a, FileSystemAccessMode: ro, FileSystemType: EFS, "
    "DirectoryPath: /x}}"
)
WRONG = {
    "misspelt key in training": (
        [("  ResourceConfig", "  ResorceConfig")],
        [
            "training.ResorceConfig: found an unknown key; did you mean 'ResourceConfig'?",
            "training.ResourceConfig: found nothing; a value is required here",
        ],
    ),
    "misspelt enum in a section": (
        [("ml.m4.xlarge, InstanceCount", "ml.m4.xlrge, InstanceCount")],
        ["training.ResourceConfig.InstanceType: found 'ml.m4.xlrge'; did you mean 'ml.m4.xlarge'?"],
    ),
    "number for a hyperparameter": (
        [("  RoleArn", "  HyperParameters: {num_class: 3}\n  RoleArn")],
        [
            "training.HyperParameters.num_class: found 3 (an integer); it must be a string; put the value in quotes",
        ],
    ),
    "an image and an algorithm": (
        [('TrainingImage: "repo:latest"', 'TrainingImage: "repo:latest", AlgorithmName: iris')],
        [
            (
                "training.AlgorithmSpecification.AlgorithmName: found 'iris' beside TrainingImage; SageMaker takes one "
                "of them; remove the other"
            )
        ],
    ),
    "neither image nor algorithm": (
        [
            ('TrainingImage: "repo:latest", ', ""),
            ("endpoint_config", 'model: {PrimaryContainer: {Image: "repo:serve"}}\nendpoint_config'),
        ],
        [
            (
                "training.AlgorithmSpecification.TrainingImage: found nothing; it must be given, or AlgorithmName in "
                "its place"
            )
        ],
    ),
    "spot without a limit of the waiting": (
        [("  RoleArn", "  EnableManagedSpotTraining: true\n  RoleArn")],
        [
            (
                "training.StoppingCondition.MaxWaitTimeInSeconds: found nothing; with EnableManagedSpotTraining it "
                "must be given; it is for the waiting and the training together, so it must be at least "
                "MaxRuntimeInSeconds, 1800"
            )
        ],
    ),
    "spot with a limit below the training's": (
        [
            ("  RoleArn", "  EnableManagedSpotTraining: \"{{ 'true' }}\"\n  RoleArn"),
            ("MaxRuntimeInSeconds: 1800", "MaxRuntimeInSeconds: 1800, MaxWaitTimeInSeconds: 1799"),
        ],
        [
            (
                "training.StoppingCondition.MaxWaitTimeInSeconds: found 1799; it is for the waiting and the training "
                "together, so it must be at least MaxRuntimeInSeconds, 1800"
            )
        ],
    ),
    "spot with a limit below the day that a training may take": (
        [
            ("  RoleArn", "  EnableManagedSpotTraining: true\n  RoleArn"),
            ("MaxRuntimeInSeconds: 1800", "MaxWaitTimeInSeconds: 3600"),
        ],
        [
            (
                "training.StoppingCondition.MaxWaitTimeInSeconds: found 3600; it is for the waiting and the training "
                "together, so it must be at least MaxRuntimeInSeconds, 86400"
            )
        ],
    ),
    "a limit of the waiting without spot": (
        [("MaxRuntimeInSeconds: 1800", "MaxRuntimeInSeconds: 1800, MaxWaitTimeInSeconds: 3600")],
        [
            (
                "training.StoppingCondition.MaxWaitTimeInSeconds: found 3600; SageMaker takes it with "
                "EnableManagedSpotTraining: true only; add that, or remove this"
            )
        ],
    ),
    "checkpoints of all days in one folder": (
        [("  RoleArn", "  CheckpointConfig: {S3Uri: 's3://{{ bucket }}/checkpoints/{{ pipeline }}/'}\n  RoleArn")],
        [
            (
                "training.CheckpointConfig.S3Uri: found 's3://{{ bucket }}/checkpoints/{{ pipeline }}/'; a training "
                "goes on from the checkpoints that it finds there, which would be those of the day before; put {{ "
                "data_date }} into it"
            )
        ],
    ),
    "checkpoints in a fixed folder": (
        [("  RoleArn", "  CheckpointConfig: {S3Uri: 's3://x/y/'}\n  RoleArn")],
        [
            (
                "training.CheckpointConfig.S3Uri: found 's3://x/y/'; a training goes on from the checkpoints that it "
                "finds there, which would be those of the day before; put {{ data_date }} into it"
            )
        ],
    ),
    "an extra channel without a source": (
        [("training:\n  Algo", "training:\n  InputDataConfig: [{ChannelName: extra}]\n  Algo")],
        ["training.InputDataConfig[0].DataSource: found nothing; a value is required here"],
    ),
    "a channel of data with a source of its own": (
        [("training:\n  Algo", f"training:\n  InputDataConfig: [{{ChannelName: training, {ELSEWHERE}}}]\n  Algo")],
        [
            (
                "training.InputDataConfig[0].DataSource.S3DataSource.S3Uri: found for the channel 'training', whose "
                "data data.training names; remove one of them"
            )
        ],
    ),
    "a channel of data in a file system": (
        [
            (
                "training:\n  Algo",
                f"training:\n  InputDataConfig: [{{ChannelName: training, {FILE_SYSTEM}}}]\n  Algo",
            )
        ],
        [
            (
                "training.InputDataConfig[0].DataSource.FileSystemDataSource: found for the channel 'training', whose "
                "data data.training names; remove one of them"
            )
        ],
    ),
    "two content types": (
        [
            (
                "training: training/{{ data_date }}/iris.csv",
                "training: {key: 't/{{ data_date }}/x', content_type: a/b}",
            ),
            ("training:\n  Algo", "training:\n  InputDataConfig: [{ChannelName: training, ContentType: c/d}]\n  Algo"),
        ],
        [
            (
                "training.InputDataConfig[0].ContentType: found 'c/d' beside data.training.content_type; remove one of "
                "them"
            )
        ],
    ),
    "two channels of a name": (
        [
            (
                "training:\n  Algo",
                f"training:\n  InputDataConfig: [{', '.join([f'{{ChannelName: a, {ELSEWHERE}}}'] * 2)}]\n  Algo",
            )
        ],
        [
            (
                "training.InputDataConfig[1].ChannelName: found 'a', the name of training.InputDataConfig[0]; each "
                "channel needs a name of its own; change one"
            )
        ],
    ),
    "more channels than SageMaker takes, in two places": (
        [
            (
                "training:\n  Algo",
                "training:\n  InputDataConfig:\n"
                + "".join(f"    - {{ChannelName: c{number}, {ELSEWHERE}}}\n" for number in range(19))
                + "  Algo",
            )
        ],
        [
            (
                "training.InputDataConfig: found [{'ChannelName': 'c0', 'DataSource': {'S3DataSource': {'S3DataType': "
                "'S3Prefix', 'S3Uri': 's3://b/x/'}}}, {'ChannelName… (21 items); it must have length less than or "
                "equal to 20"
            )
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)


@pytest.mark.parametrize(
    ("spot", "limits"),
    [
        ("true", "MaxRuntimeInSeconds: 1800, MaxWaitTimeInSeconds: 1800"),
        ("true", "MaxWaitTimeInSeconds: 86400"),
        ("true", "MaxRuntimeInSeconds: 1800, MaxWaitTimeInSeconds: '{{ var.value.wait }}'"),
        ("'{{ var.value.spot }}'", "MaxRuntimeInSeconds: 1800"),
        ("'{{ var.value.spot }}'", "MaxRuntimeInSeconds: 1800, MaxWaitTimeInSeconds: 60"),
        ("false", "MaxRuntimeInSeconds: 1800"),
    ],
)
def test_spot_training_with_its_limits(problems, spot, limits):
    text = changed(
        ("  RoleArn", f"  EnableManagedSpotTraining: {spot}\n  RoleArn"), ("MaxRuntimeInSeconds: 1800", limits)
    )
    assert problems(text) == []


@pytest.mark.parametrize("day", ["{{ data_date }}", "{{ date }}", "{{ macros.ds_add(data_date, 1) }}", "{{ run_id }}"])
def test_checkpoints_of_each_day(problems, day):
    config = f"CheckpointConfig: {{S3Uri: 's3://{{{{ bucket }}}}/checkpoints/{day}/'}}"
    assert problems(changed(("  RoleArn", f"  {config}\n  RoleArn"))) == []


def test_channels_of_data_beside_others_with_what_only_aws_says_of_them(problems):
    channels = f"""
    - ChannelName: training
      CompressionType: Gzip
      DataSource: {{S3DataSource: {{S3DataType: ManifestFile, S3DataDistributionType: ShardedByS3Key}}}}
    - {{ChannelName: vocabulary, {ELSEWHERE}}}"""
    assert problems(changed(("training:\n  Algo", f"training:\n  InputDataConfig:{channels}\n  Algo"))) == []
