"""AWS on a laptop: moto for S3, IAM, STS and CloudWatch Logs, with a SageMaker in front that really trains and serves.

``python -m local_aws`` runs it in the foreground; ``local_aws.process.LocalAws`` starts it for tests and demos. What it
cannot do it refuses with an error that begins with "local AWS:".
"""
