"""What the values of a pipeline file mean to SageMaker, S3, cron and Jinja, checked before any run."""
