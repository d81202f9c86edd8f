"""The text of a small right pipeline file, and changes to it."""

from __future__ import annotations

BASE = """\
name: iris
region: ap-northeast-1
bucket: sample-bucket
data:
  training: training/{{ data_date }}/iris.csv
  validation: validation/{{ data_date }}/iris.csv
training:
  AlgorithmSpecification: {TrainingImage: "repo:latest", TrainingInputMode: File}
  RoleArn: arn:aws:iam::123456789012:role/dev-sagemaker
  OutputDataConfig: {S3OutputPath: "s3://{{ bucket }}/output/{{ data_date }}/"}
  ResourceConfig: {InstanceType: ml.m4.xlarge, InstanceCount: 1, VolumeSizeInGB: 10}
  StoppingCondition: {MaxRuntimeInSeconds: 1800}
endpoint_config:
  ProductionVariants:
    - {VariantName: AllTraffic, InstanceType: ml.m4.xlarge, InitialInstanceCount: 1}
"""


def changed(*changes: tuple[str, str]) -> str:
    """Return the right file with the first of each old text replaced by the new one."""
    text = BASE
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text
