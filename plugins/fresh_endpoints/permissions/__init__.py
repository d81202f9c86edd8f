"""What the pipelines need to be allowed by IAM, read from their files."""
