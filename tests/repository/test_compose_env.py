"""`make env`: the file that docker-compose.yaml reads, and the secrets beside it."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography.fernet import Fernet
from sqlalchemy.engine import make_url

import compose_env

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yaml"
GENERATED = {"airflow_password", "api_secret_key", "fernet_key", "jwt_secret", "postgres_password", "redis_password"}


def read(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if line and line[0] != "#")


def generated(file: Path) -> dict[str, str]:
    return {name: (file.parent / "secrets" / name).read_text() for name in GENERATED}


def named(file: Path) -> set[str]:
    return set(re.findall(r"^#?([A-Z_]+)=", file.read_text(), re.MULTILINE))


def test_it_holds_what_compose_requires(tmp_path: Path) -> None:
    compose_env.write(tmp_path / "env")
    required = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text()))
    assert required == {"SECRETS_DIR"}
    assert required <= read(tmp_path / "env").keys()


def test_every_secret_of_compose_is_a_file_of_the_folder(tmp_path: Path) -> None:
    compose_env.write(tmp_path / "env")
    sources = {secret["file"] for secret in yaml.safe_load(COMPOSE.read_text())["secrets"].values()}
    assert {source.rpartition("/")[2] for source in sources} == GENERATED | {"connections.json"}
    assert {file.name for file in (tmp_path / "secrets").iterdir()} == GENERATED | {"connections.json"}


def test_the_repositorys_own_folder_is_named_relative_to_it_and_stays_out_of_git(tmp_path: Path) -> None:
    compose_env.write(tmp_path / "env")
    assert read(tmp_path / "env")["SECRETS_DIR"] == str(tmp_path / "secrets")
    ignored = ["git", "check-ignore", "secrets/postgres_password", ".env"]
    assert subprocess.run(ignored, cwd=ROOT, check=False, capture_output=True).returncode == 0


def test_all_that_it_names_is_read_by_compose(tmp_path: Path) -> None:
    compose_env.write(tmp_path / "env")
    compose = COMPOSE.read_text()
    names = named(tmp_path / "env")
    assert [name for name in names if f"${{{name}" not in compose and f" {name}:" not in compose] == []


def test_whatever_the_docs_and_the_stack_put_into_env_is_named_by_it(tmp_path: Path) -> None:
    compose_env.write(tmp_path / "env")
    sources = [ROOT / "docs" / "production.md", *(ROOT / "include" / "cloudformation").iterdir()]
    settings = {
        name for file in sources for name in re.findall(r"\b(AIRFLOW_(?:VAR|CONN|_)[A-Z_]*)=", file.read_text())
    }
    assert {"AIRFLOW_VAR_SAGEMAKER_NUM_CLASS", "AIRFLOW__SECRETS__BACKEND", "AIRFLOW_CONN_AWS_DEFAULT"} <= settings
    assert settings - named(tmp_path / "env") == set()


def test_secrets_are_fresh_each_time_and_within_reach_of_their_owner_only(tmp_path: Path) -> None:
    files = [tmp_path / "a" / "env", tmp_path / "b" / "env"]
    for file in files:
        file.parent.mkdir()
        compose_env.write(file)
        assert file.stat().st_mode & 0o777 == 0o600
        folder = file.parent / "secrets"
        assert folder.stat().st_mode & 0o777 == 0o700
        # Mounted one by one: the containers' users are others, and read them.
        assert {found.stat().st_mode & 0o777 for found in folder.iterdir()} == {0o644}
    one, other = (generated(file) for file in files)
    assert [name for name in GENERATED if one[name] == other[name]] == []


def test_no_secret_is_in_env(tmp_path: Path) -> None:
    compose_env.write(tmp_path / "env")
    text = (tmp_path / "env").read_text()
    assert [name for name, secret in generated(tmp_path / "env").items() if secret in text] == []


def test_whoever_takes_a_secret_gets_it_as_it_is(tmp_path: Path) -> None:
    for seed in range(300):
        file = tmp_path / str(seed) / "env"
        file.parent.mkdir()
        compose_env.write(file)
        found = generated(file)
        # No leading "-", nothing that a shell, a URL, a configuration file or Compose reads as its own.
        assert [name for name, secret in found.items() if not re.fullmatch("[A-Za-z0-9]{20,}=?", secret)] == []
        Fernet(found["fernet_key"])
        database = make_url(f"postgresql+psycopg2://airflow:{found['postgres_password']}@postgres/airflow")
        assert (database.password, database.host) == (found["postgres_password"], "postgres")
        broker = urlsplit(f"redis://:{found['redis_password']}@redis:6379/0")
        assert (broker.password, broker.hostname) == (found["redis_password"], "redis")
        assert shlex.split(" ".join(found.values())) == list(found.values())


def test_what_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "env"
    assert compose_env.main(["--file", str(file), "--port", "8081"]) == 0
    said = capsys.readouterr().out
    assert f"its password: {tmp_path / 'secrets' / 'airflow_password'}" in said
    before = file.read_text(), generated(file)
    assert read(file)["AIRFLOW_PORT"] == "8081"
    assert compose_env.main(["--file", str(file)]) == 0
    assert (file.read_text(), generated(file)) == before
    assert "stays as it is" in capsys.readouterr().out


def test_a_secret_that_is_missing_is_made_and_the_others_stay(tmp_path: Path) -> None:
    compose_env.write(tmp_path / "env")
    before = generated(tmp_path / "env")
    (tmp_path / "secrets" / "redis_password").unlink()
    (tmp_path / "env").unlink()
    assert compose_env.write(tmp_path / "env") == [tmp_path / "secrets" / "redis_password", tmp_path / "env"]
    after = generated(tmp_path / "env")
    assert {name for name in GENERATED if before[name] != after[name]} == {"redis_password"}


def test_what_an_earlier_version_wrote_into_env_goes_on_as_the_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = "".join(f"{name.upper()}=-of_{name}\n" for name in GENERATED)
    (tmp_path / "env").write_text(earlier)
    assert compose_env.main(["--file", str(tmp_path / "env")]) == 1
    assert "it has no SECRETS_DIR. Remove it, run this again" in capsys.readouterr().err
    assert (tmp_path / "env").read_text() == earlier
    (tmp_path / "env").unlink()
    assert compose_env.main(["--file", str(tmp_path / "env")]) == 0
    assert generated(tmp_path / "env") == {name: f"-of_{name}" for name in GENERATED}
