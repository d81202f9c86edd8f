"""SageMaker as this package speaks it: knows no run, no pipeline file and no Slack."""
