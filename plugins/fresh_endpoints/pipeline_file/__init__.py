"""What a pipeline file may say, and how it is read."""
