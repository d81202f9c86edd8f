"""The main job on a laptop: data in S3, a training, Slack, an endpoint, and a prediction asked of it.

Everything happens for real, on local AWS: the training program trains, the serving program serves. Run it again, and
the next day's training updates the endpoint that the first has created. The sample's image, data and pipeline can be a
person's own: see docs/laptop.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "include"), str(ROOT / "plugins")]

from botocore.exceptions import ClientError  # noqa: E402

from fresh_endpoints.aws.errors import is_not_found  # noqa: E402
from fresh_endpoints.aws.tags import DATA_DATE  # noqa: E402
from fresh_endpoints.live import endpoint_of  # noqa: E402
from fresh_endpoints.model_facts import shown, tagged_metrics  # noqa: E402
from fresh_endpoints.pipeline_file.model import Pipeline  # noqa: E402
from local_aws.connections import FAST, airflow_connections  # noqa: E402
from local_aws.own_model import OwnModel, add_options  # noqa: E402
from local_aws.pipeline_data import PIPELINES  # noqa: E402
from local_aws.process import LocalAws  # noqa: E402 - found through the line above
from local_aws.sample_data import BUCKET  # noqa: E402

# What a demo leaves for the next one: Airflow's database and log, local AWS's state, the data date.
STATE = Path(os.environ.get("DEMO_STATE", ROOT / ".state" / "demo")).resolve()
LOG = STATE / "airflow.log"
SAMPLE_DATA = ROOT / "include" / "sample_data"
FIRST_DATA_DATE = date(2019, 3, 4)


def main() -> int:
    """Run the demo.

    Returns:
        The exit code: 0 when the endpoint serves the new model.
    """
    parser = argparse.ArgumentParser(description="Run the whole pipeline once on local AWS.")
    add_options(parser)
    options = parser.parse_args()
    if options.fresh:
        shutil.rmtree(STATE, ignore_errors=True)
    try:
        own = OwnModel(options, STATE / "own_model.json")
        data_date = options.data_date or _next_data_date(own.pipeline)
        own.files(data_date)
    except ValueError as error:
        say(str(error))
        return 2
    STATE.mkdir(parents=True, exist_ok=True)
    say(f"Data date {data_date}; Airflow's own log goes to {os.path.relpath(LOG)}")
    own.remember()
    with LocalAws(state=STATE / "aws", images=own.images, region=own.pipeline.region) as aws:
        say(f"Local AWS answers at {aws.url}")
        is_live = _run(own, data_date, aws)
    if is_live:
        (STATE / "data_date").write_text(data_date.isoformat())
    return 0 if is_live else 1


def say(text: str) -> None:
    """Print one line of progress."""
    print(text, flush=True)  # noqa: T201 - the demo's output


def _run(own: OwnModel, data_date: date, aws: LocalAws) -> bool:
    """Put the data, run the DAGs and say what has come of it; return whether the day's model is live."""
    before = _live_config(aws, own.pipeline)
    for line in own.put(aws.client("s3"), data_date, [data_date]):
        say(line)
    if not _run_dags(own, aws, data_date):
        say(f"The run has failed; see {os.path.relpath(LOG)}")
        return False
    return Report(own, data_date, aws).say(before)


def _next_data_date(pipeline: Pipeline) -> date:
    """Return the day after the last demo's, or the first that the pipeline's start allows."""
    last = STATE / "data_date"
    if last.exists():
        return date.fromisoformat(last.read_text()) + timedelta(days=1)
    return max(FIRST_DATA_DATE, pipeline.start_date - timedelta(days=1))


def _run_dags(own: OwnModel, aws: LocalAws, data_date: date) -> bool:
    """Run the pipeline's DAGs once, with the logical date that has this data date, as `airflow dags test` does.

    No scheduler runs here, so nothing but this function starts the second one when the first has published its model.
    """
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "AWS_"))},
        "AIRFLOW_HOME": str(STATE / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        **airflow_connections(aws.url, aws.region),
        **FAST,
        "PIPELINES_DIR": str(own.pipelines_dir or PIPELINES),
    }
    zone = ZoneInfo(own.pipeline.timezone)
    midnight = datetime.combine(data_date + timedelta(days=1), datetime.min.time(), tzinfo=zone)
    logical_date = midnight.astimezone(timezone.utc).isoformat()
    dags = [f"train_and_deploy_{own.pipeline.name}"]
    if own.pipeline.transform is not None:
        dags.append(f"batch_predict_{own.pipeline.name}")
    with LOG.open("w") as log, _slack_as_it_comes(aws):
        for command in (["db", "migrate"], *(["dags", "test", dag, logical_date] for dag in dags)):
            say("airflow " + " ".join(command))
            airflow = [sys.executable, "-m", "airflow", *command]
            ended = subprocess.run(airflow, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
            if ended.returncode:
                return False
    return True


@contextmanager
def _slack_as_it_comes(aws: LocalAws) -> Iterator[None]:
    """Print each Slack message when it arrives."""
    over = threading.Event()

    def follow() -> None:
        shown = len(aws.slack_messages())
        last = False
        while not last:
            last = over.wait(0.5)
            messages = aws.slack_messages()
            for message in messages[shown:]:
                say(f"  Slack #{message['channel']} <{message['username']}> {message['text']}")
            shown = len(messages)

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join()


def _live_config(aws: LocalAws, pipeline: Pipeline) -> str | None:
    """Return the endpoint config that the endpoint serves, None if there is no endpoint."""
    sagemaker = aws.client("sagemaker")
    try:
        found = sagemaker.describe_endpoint(EndpointName=endpoint_of(pipeline).name)
    except ClientError as error:
        if is_not_found(error):
            return None
        raise
    return str(found["EndpointConfigName"])


class Report:
    """Says what AWS holds after a run.

    Args:
        own: What was run.
        data_date: The day of the data.
        aws: Local AWS.
    """

    def __init__(self, own: OwnModel, data_date: date, aws: LocalAws):
        self._own = own
        self._pipeline = own.pipeline
        self._data_date = data_date
        self._aws = aws
        self._sagemaker = aws.client("sagemaker")

    def say(self, before: str | None) -> bool:
        """Say it.

        Args:
            before: The endpoint config that was live before the run.

        Returns:
            Whether the endpoint serves the day's model, or the pipeline deploys none.
        """
        if self._pipeline.deploy == "never":
            say(f"Pipeline {self._pipeline.name} deploys nothing (deploy: never), so nothing is live.")
            return True
        live = _live_config(self._aws, self._pipeline)
        if live is None or self._tags(live).get(DATA_DATE) != self._data_date.isoformat():
            say(f"The model of {self._data_date} is not live: {live or 'nothing'} is. The messages above say why.")
            return False
        say("")
        for label, value in self._facts(live, before).items():
            say(f"{label:>20}  {value}")
        return True

    def _facts(self, live: str, before: str | None) -> dict[str, object]:
        endpoint = self._sagemaker.describe_endpoint(EndpointName=endpoint_of(self._pipeline).name)
        job = self._sagemaker.describe_training_job(TrainingJobName=live)
        metrics = {metric["MetricName"]: metric["Value"] for metric in job.get("FinalMetricDataList", [])}
        return {
            "Data date": self._data_date,
            "Training job": f"{job['TrainingJobName']} ({job['TrainingJobStatus']})",
            "Metrics": ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()) or "none",
            "Artifact": job["ModelArtifacts"]["S3ModelArtifacts"],
            "Endpoint": f"{endpoint['EndpointName']} ({endpoint['EndpointStatus']}), "
            + ("created" if before is None else f"updated from {before}"),
            "Serves": live,
            **self._proof(live),
            **(self._sample_predictions() if self._own.is_sample else self._predictions()),
        }

    def _proof(self, live: str) -> dict[str, str]:
        """Say what the quality gate and the smoke test have found of what is live, from the endpoint config's tags."""
        tags, proof = self._tags(live), {}
        if self._pipeline.quality:
            rules = " and ".join(self._pipeline.quality.rules)
            metrics = " ".join(f"{name}={shown(value, 6)}" for name, value in tagged_metrics(tags).items())
            proof["Quality gate"] = f"{metrics} keeps {rules}"
        if self._pipeline.smoke_test:
            proof["Smoke test"] = tags["fresh-endpoints:smoke-test"]
        return proof

    def _tags(self, config_name: str) -> dict[str, str]:
        arn = self._sagemaker.describe_endpoint_config(EndpointConfigName=config_name)["EndpointConfigArn"]
        return {tag["Key"]: tag["Value"] for tag in self._sagemaker.list_tags(ResourceArn=arn)["Tags"]}

    def _predictions(self) -> dict[str, str]:
        """Say what the endpoint answers to the smoke test, which is all that is known of how to ask it."""
        test = self._pipeline.smoke_test
        if test is None or test.body is None:
            return {}
        answer = self._ask(test.body, test.content_type, test.accept)
        return {"Prediction": f"{test.body.strip()} → {answer}"}

    def _sample_predictions(self) -> dict[str, str]:
        """Compare what the endpoint and the batch prediction say with the true labels."""
        rows = (SAMPLE_DATA / "prediction" / "iris.csv").read_text().split()
        labels = (SAMPLE_DATA / "prediction" / "labels.csv").read_text().split()
        which = self._data_date.toordinal() % len(rows)
        answer = self._ask(rows[which], "text/csv", "text/csv")
        found = {"Prediction": f"{rows[which]} → {answer}, truly {labels[which]}"}
        key = f"output-prediction/{self._data_date}/{self._pipeline.name}/iris.csv.out"
        predicted = self._aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read().decode().split()
        right = sum(one == other for one, other in zip(predicted, labels, strict=True))
        found["Batch prediction"] = f"s3://{BUCKET}/{key}, {right} of {len(labels)} as labelled"
        return found

    def _ask(self, body: str, content_type: str, accept: str | None) -> str:
        answer = self._aws.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint_of(self._pipeline).name,
            ContentType=content_type,
            Body=body.encode(),
            **({"Accept": accept} if accept else {}),
        )
        return str(answer["Body"].read().decode(errors="replace").strip())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: with what it has started
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("Stopped.")
        sys.exit(130)
