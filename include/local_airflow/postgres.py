"""A PostgreSQL for one test session, from the machine's own packages (Debian: ``apt install postgresql``)."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from local_airflow.configuration import new_password
from local_airflow.guarded_process import GuardedProcess

_START_SECONDS = 60
_USER = "airflow"


def server_folder() -> Path | None:
    """Find PostgreSQL's server programs.

    Returns:
        The folder of the newest version's ``initdb`` and ``postgres``; None if there is none.
    """
    on_path = shutil.which("initdb")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    found = [Path(on_path), *versions] if on_path else versions
    return found[-1].parent if found else None


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server on 127.0.0.1 with an empty database; it and its data are gone afterwards.

    Yields:
        The database's SQLAlchemy URL.

    Raises:
        RuntimeError: There are no server programs, or the server does not start.
    """
    programs = server_folder()
    if programs is None:
        raise RuntimeError("found no PostgreSQL server; install one (Debian: apt install postgresql)")
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        data, password_file, log = Path(folder) / "data", Path(folder) / "password", Path(folder) / "log"
        password = new_password()
        password_file.touch(mode=0o600)
        password_file.write_text(password)  # Not as an argument, which every user of the machine may read.
        as_user: list[str] = []
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            owner = pwd.getpwnam("postgres")
            for path in (folder, password_file):
                os.chown(path, owner.pw_uid, owner.pw_gid)
            as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        initdb = [*as_user, str(programs / "initdb"), "--pgdata", str(data), "--username", _USER]
        initdb += ["--pwfile", str(password_file), "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync"]
        made = subprocess.run(initdb, cwd=folder, capture_output=True, text=True, check=False)
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 200,
        }
        command = [*as_user, str(programs / "postgres"), "-D", str(data)]
        command += [f"-c{name}={value}" for name, value in settings.items()]
        server = GuardedProcess(command, os.environ, log, grace=10)
        try:
            _wait_until_ready(programs, port, server, log)
            yield f"postgresql+psycopg2://{_USER}:{password}@127.0.0.1:{port}/postgres"
        finally:
            server.send(signal.SIGINT, tree=False)  # fast shutdown: it does not wait for its clients
            server.end()


@contextmanager
def postgres_if_installed() -> Iterator[str | None]:
    """Run a server as postgres() does where the machine has one.

    Yields:
        The database's SQLAlchemy URL; None, which AirflowServices takes for SQLite, where there is no server.
    """
    with postgres() if server_folder() else nullcontext() as url:
        yield url


def _wait_until_ready(programs: Path, port: int, server: GuardedProcess, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"]
    while subprocess.run(ready, check=False).returncode:
        if not server.is_alive() or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")
        time.sleep(0.1)
