"""`make env`: the file that docker-compose.yaml reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

import compose_env

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yaml"


def read(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if line and line[0] != "#")


def test_it_holds_what_compose_requires(tmp_path: Path) -> None:
    compose_env.write(tmp_path / "env")
    required = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text()))
    assert required
    assert required <= read(tmp_path / "env").keys()


def test_all_that_it_names_is_read_by_compose(tmp_path: Path) -> None:
    compose_env.write(tmp_path / "env")
    named = set(re.findall(r"^#?([A-Z_]+)=", (tmp_path / "env").read_text(), re.MULTILINE))
    compose = COMPOSE.read_text()
    assert [name for name in named if f"${{{name}" not in compose and f" {name}:\n" not in compose] == []


def test_whatever_the_docs_and_the_stack_put_into_env_is_named_by_it(tmp_path: Path) -> None:
    compose_env.write(tmp_path / "env")
    sources = [ROOT / "README.md", *(ROOT / "include" / "cloudformation").iterdir()]
    settings = {
        name for file in sources for name in re.findall(r"\b(AIRFLOW_(?:VAR|CONN|_)[A-Z_]*)=", file.read_text())
    }
    assert {"AIRFLOW_VAR_SAGEMAKER_NUM_CLASS", "AIRFLOW__SECRETS__BACKEND", "AIRFLOW_CONN_AWS_DEFAULT"} <= settings
    named = set(re.findall(r"^#?([A-Z_]+)=", (tmp_path / "env").read_text(), re.MULTILINE))
    assert settings - named == set()


def test_secrets_are_fresh_each_time_and_the_owners_only(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    for file in files:
        compose_env.write(file)
        assert file.stat().st_mode & 0o777 == 0o600
        Fernet(read(file)["FERNET_KEY"])
    one, other = (read(file) for file in files)
    secret = {name for name in one if name.endswith(("KEY", "PASSWORD", "SECRET"))}
    assert len(secret) == 6
    assert [name for name in secret if one[name] == other[name]] == []


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "env"
    assert compose_env.main(["--file", str(file), "--port", "8081"]) == 0
    before = file.read_text()
    assert read(file)["AIRFLOW_PORT"] == "8081"
    assert compose_env.main(["--file", str(file)]) == 0
    assert file.read_text() == before
    assert "stays as it is" in capsys.readouterr().out
