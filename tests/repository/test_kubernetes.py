"""include/kubernetes: what the image holds parses as Airflow will, and the values name what there is."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

import parsed_dags

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
DOCKERFILE = (ROOT / "include" / "kubernetes" / "Dockerfile").read_text()
VALUES = yaml.safe_load((ROOT / "include" / "kubernetes" / "values.yaml").read_text())
COPIES = re.findall(r"^COPY (\S+) (\S+)$", DOCKERFILE, re.MULTILINE)
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """What the image would hold: the page's archive, copied as the Dockerfile says."""
    [archive] = re.findall(r"^(git archive .*?) \|", PAGE, re.MULTILINE)
    packed = subprocess.run(archive.split(), cwd=ROOT, capture_output=True, check=True, timeout=60).stdout
    context, root = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("image")
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(context)
    assert (context / "include" / "kubernetes" / "Dockerfile").is_file()
    for source, target in COPIES:
        (root / target.strip("/")).parent.mkdir(parents=True, exist_ok=True)
        (context / source).rename(root / target.strip("/"))
    return root


def test_all_dags_import_from_the_image(image):
    parsed = parsed_dags.parse(image / "opt/airflow/dags", image / "opt/airflow")
    assert parsed["errors"] == {}
    assert "train_and_deploy_multiclass" in parsed["dags"]


def test_the_image_is_built_on_the_one_of_this_repository():
    built = re.findall(r"^docker build --tag (\S+) \.$", PAGE, re.MULTILINE)
    assert re.findall(r"^ARG AIRFLOW_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE) == built
    assert built == [COMPOSE["x-airflow"]["image"]]
    assert f"apache/airflow:{VALUES['airflowVersion']}-" in (ROOT / "Dockerfile").read_text()


def test_each_setting_is_one_of_composes_and_no_secret_stands_in_it():
    known = COMPOSE["x-airflow"]["environment"].keys()
    settings = {entry["name"]: entry["value"] for entry in VALUES["env"]}
    assert settings.keys() <= known
    assert {name for name in known if name.startswith("AIRFLOW_VAR_")} <= settings.keys()
    assert json.loads(settings["AIRFLOW_CONN_AWS_DEFAULT"]) == {
        "conn_type": "aws",
        "extra": {"region_name": "ap-northeast-1"},
    }
    assert {entry["envName"] for entry in VALUES["secret"]} <= known - settings.keys()
    assert not re.search(r"password|hooks\.slack|token", str(VALUES))


def test_each_component_that_asks_aws_has_the_role():
    components = ("scheduler", "dagProcessor", "triggerer", "apiServer")
    roles = {str(VALUES[component]["serviceAccount"]["annotations"]) for component in components}
    assert len(roles) == 1
    assert "eks.amazonaws.com/role-arn" in roles.pop()


def test_the_page_tells_of_each_value():
    shown = re.findall(r"`([\w.…]+)(?:: [^`]+)?`", PAGE)
    told = {name.split(".")[0] for name in shown}
    # By "…serviceAccount.annotations", and what leads to a value that is told of.
    assert VALUES.keys() - told - {"airflowVersion", "postgresql", "scheduler", "dagProcessor", "apiServer"} == set()
