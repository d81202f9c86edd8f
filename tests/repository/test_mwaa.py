"""dist/, laid out as MWAA lays it out: two folders below AIRFLOW_HOME, and nothing that says where they are."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import botocore.session
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import parsed_dags
from aws_cli import Cli
from local_aws.process import LocalAws
from sagemaker_requests import new_bucket

ROOT = Path(__file__).parents[2]


def build(output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "include" / "mwaa.py"), "--output", str(output), *options],
        cwd=output.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("mwaa") / "dist"
    done = build(output)
    assert done.returncode == 0, done.stderr
    return output


def test_all_dags_import_there(dist, tmp_path):
    home = tmp_path / "usr" / "local" / "airflow"
    shutil.copytree(dist / "dags", home / "dags")
    with zipfile.ZipFile(dist / "plugins.zip") as archive:
        archive.extractall(home / "plugins")

    parsed = parsed_dags.parse(home / "dags", home)

    assert parsed["errors"] == {}
    of_the_sample = ["batch_predict_multiclass", "redeploy_multiclass", "train_and_deploy_multiclass"]
    assert sorted(parsed["dags"]) == sorted([*of_the_sample, "tell_later", "watch_models"])


def test_the_commands_of_the_page_bring_it_into_the_environments_bucket(
    dist: Path, local_aws: LocalAws, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "mwaa.md").read_text()
    (tmp_path / "dist").symlink_to(dist)
    cli, bucket = Cli(local_aws, tmp_path), new_bucket(local_aws)
    commands = re.findall(r"\baws (s3 [^&\n]+)", page.replace("<MWAA bucket>", bucket))
    assert [command.split()[1] for command in commands] == ["sync", "cp", "cp"]
    for command in commands:
        cli.typed(command)
    s3 = local_aws.client("s3")
    keys = {found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert {"plugins.zip", "requirements.txt", "dags/include/pipelines/multiclass.yaml"} <= keys
    assert keys == {path.relative_to(dist).as_posix() for path in dist.rglob("*") if path.is_file()}
    packed = s3.get_object(Bucket=bucket, Key="plugins.zip")["Body"].read()
    assert zipfile.ZipFile(io.BytesIO(packed)).testzip() is None


def test_holds_the_package_and_nothing_else(dist):
    assert sorted(path.name for path in dist.iterdir()) == ["dags", "plugins.zip", "requirements.txt"]
    with zipfile.ZipFile(dist / "plugins.zip") as archive:
        zipped = set(archive.namelist())
    sources = {
        path.relative_to(ROOT / "plugins").as_posix()
        for path in (ROOT / "plugins").rglob("*.*")
        if path.suffix in (".py", ".html", ".css", ".js")
    }
    assert zipped == sources | {".airflowignore"}
    assert not [path for path in dist.rglob("*") if "pycache" in path.name or path.suffix == ".pyc"]
    assert (dist / "dags/.airflowignore").read_text().splitlines()[-1] == "include/"


def test_requirements_are_ours_without_airflow_below_its_constraints(tmp_path):
    assert build(tmp_path / "dist", "--airflow", "3.1.8", "--python", "3.12").returncode == 0
    constraint, *lines = (tmp_path / "dist" / "requirements.txt").read_text().splitlines()
    constraints = "https://raw.githubusercontent.com/apache/airflow/constraints-3.1.8/constraints-3.12.txt"
    assert constraint == f'--constraint "{constraints}"'
    ours = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert [Requirement(line) for line in lines] == [
        requirement for line in ours if (requirement := Requirement(line)).name != "apache-airflow"
    ]


def test_the_same_files_give_the_same_bytes_and_replace_older_ones(dist, tmp_path):
    again = tmp_path / "dist"
    (again / "dags").mkdir(parents=True)
    (again / "dags" / "old.py").touch()
    assert build(again).returncode == 0
    assert (again / "plugins.zip").read_bytes() == (dist / "plugins.zip").read_bytes()
    assert not (again / "dags" / "old.py").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--airflow", "3.0.6"], "found Airflow '3.0.6'; allowed <4,>=3.1.8, such as 3.1.8"),
        (["--airflow", "3.3"], "found Airflow '3.3'"),
        (["--python", "3"], "found Python '3'; a version such as 3.12 is allowed"),
        (["--pipelines", "."], "holds no pipeline file (*.yaml); name the folder with --pipelines"),
    ],
)
def test_says_what_is_wrong(tmp_path, options, reason):
    done = build(tmp_path / "dist", *options)
    assert done.returncode == 2
    assert reason in done.stderr
    assert not (tmp_path / "dist").exists()


def test_the_page_says_how_far_mwaas_versions_go_as_botocore_knows_them():
    model = botocore.session.Session().get_service_model("mwaa")
    said = model.shape_for("CreateEnvironmentInput").members["AirflowVersion"].documentation
    versions = re.findall(r"<code>([\d.]+)</code>", said)
    newest = max(versions, key=Version)
    page = (ROOT / "docs" / "mwaa.md").read_text()
    assert f"botocore of `constraints.txt` knows of none after {newest}," in page
    assert Version(newest) < Version("3.1.8"), "the page may say more"
