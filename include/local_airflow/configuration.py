"""What Airflow finds in its home: airflow.cfg and the login; and the environment of its services."""

from __future__ import annotations

import configparser
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet

USERNAME = "admin"


def keep_password(home: Path) -> str:
    """Read the user's password, or make one.

    Args:
        home: The AIRFLOW_HOME.

    Returns:
        The password.
    """
    file = _passwords(home)
    if not file.exists():
        _secret(file).write_text(json.dumps({USERNAME: new_password()}))
    return str(json.loads(_secret(file).read_text())[USERNAME])


def new_password() -> str:
    """Make a password that stands as it is in an address, in a file and behind an option of a command."""
    return secrets.token_hex(16)


def write_configuration(
    home: Path, *, port: int, database: str, dags_folder: Path, plugins_folder: Path, parallelism: int, paused: bool
) -> None:
    """Write airflow.cfg. What it does not set has Airflow's default; the secrets in it stay the same.

    https://airflow.apache.org/docs/apache-airflow/stable/configurations-ref.html

    Args:
        home: The AIRFLOW_HOME.
        port: The api-server's port on 127.0.0.1.
        database: SQLAlchemy URL of the metadata database.
        dags_folder: The folder of DAG files.
        plugins_folder: The folder of plugins.
        parallelism: How many tasks may run at a time.
        paused: Whether new DAGs are paused.
    """
    file = home / "airflow.cfg"
    configuration = configparser.ConfigParser(interpolation=None)
    configuration.read(file)
    fernet_key = configuration.get("core", "fernet_key", fallback=Fernet.generate_key().decode())
    secret_key = configuration.get("api", "secret_key", fallback=secrets.token_urlsafe(32))
    jwt_secret = configuration.get("api_auth", "jwt_secret", fallback=secrets.token_urlsafe(64))
    url = f"http://127.0.0.1:{port}"
    sections: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": dags_folder.resolve(),
            "plugins_folder": plugins_folder.resolve(),
            "load_examples": False,
            "executor": "LocalExecutor",
            "parallelism": parallelism,
            "dags_are_paused_at_creation": paused,
            "execution_api_server_url": f"{url}/execution/",
            "fernet_key": fernet_key,
            "simple_auth_manager_users": f"{USERNAME}:admin",
            "simple_auth_manager_passwords_file": _passwords(home),
        },
        "database": {"sql_alchemy_conn": database.replace("%", "%%")},
        "api": {"host": "127.0.0.1", "port": port, "base_url": url, "secret_key": secret_key},
        "api_auth": {"jwt_secret": jwt_secret},
        "scheduler": {"scheduler_idle_sleep_time": 0.2},
        # Short, so that an edited DAG or pipeline file is live within seconds.
        "dag_processor": {"refresh_interval": 5, "min_file_process_interval": 10},
        "usage_data_collection": {"enabled": False},
    }
    configuration.clear()
    configuration.read_dict(sections)
    with _secret(file).open("w") as stream:
        configuration.write(stream)


def service_environment(home: Path, pipelines_dir: Path | None, further: Mapping[str, str]) -> dict[str, str]:
    """Make the services' environment; a shell's own Airflow or AWS must not leak into it.

    Args:
        home: The AIRFLOW_HOME.
        pipelines_dir: The folder of pipeline files; None for the package's own.
        further: Variables that win.

    Returns:
        All environment variables.
    """
    dropped = ("AIRFLOW_", "AWS_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PIPELINES_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    environment.update(
        AIRFLOW_HOME=str(home),
        # Output goes to files: no colours, no waiting in buffers.
        NO_COLOR="1",
        PYTHONUNBUFFERED="1",
        # The services talk to each other on this machine.
        NO_PROXY=",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1", "localhost"])),
    )
    if pipelines_dir is not None:
        environment["PIPELINES_DIR"] = str(pipelines_dir.resolve())
    return {**environment, **further}


def _passwords(home: Path) -> Path:
    return home / "passwords.json"


def _secret(file: Path) -> Path:
    """See to it that a file is there, and that only its owner may read it."""
    file.touch(mode=0o600)
    file.chmod(0o600)  # Where another program has made it.
    return file
