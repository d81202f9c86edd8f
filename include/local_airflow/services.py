"""A real Airflow on one machine: api-server, scheduler, dag-processor and triggerer, each a process of its own."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType

import requests

from local_airflow.configuration import USERNAME, keep_password, service_environment, write_configuration
from local_airflow.guarded_process import GuardedProcess
from local_airflow.rest_api import AirflowApi

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer")
# A new SQLite database is a copy of this one: `airflow db migrate` takes as long as all services take to start.
_MIGRATED = ROOT / ".state" / "migrated"
_JOBS = {"scheduler": "SchedulerJob", "dag-processor": "DagProcessorJob", "triggerer": "TriggererJob"}


class AirflowServices(AirflowApi):
    """A running Airflow; a context manager that stops it.

    Nothing of it outlives this process, however that ends. Its configuration, secrets and logs are in its home; given
    the same home, it goes on where it was.

    Attributes:
        home: The AIRFLOW_HOME.
        environment: The environment of all services.
    """

    def __init__(
        self,
        home: Path,
        *,
        database: str | None = None,
        dags_folder: Path = ROOT / "dags",
        plugins_folder: Path = ROOT / "plugins",
        pipelines_dir: Path | None = None,
        environment: Mapping[str, str] | None = None,
        services: Sequence[str] = SERVICES,
        parallelism: int = 8,
        port: int = 0,
        paused: bool = True,
        boot_timeout: float = 180.0,
        stop_grace: float = 10.0,
    ) -> None:
        """Prepare the home; nothing runs yet.

        Args:
            home: The AIRFLOW_HOME; made if missing.
            database: SQLAlchemy URL of the metadata database, for example ``postgresql+psycopg2://…``; None for an
                SQLite file in the home.
            dags_folder: The folder of DAG files.
            plugins_folder: The folder of plugins.
            pipelines_dir: The folder of pipeline files; None for the package's own.
            environment: Further environment variables, such as connections and ``AIRFLOW__SECTION__KEY``, which win.
            services: Which services to run. A number at the end (``scheduler-2``) runs another one of its kind.
            parallelism: How many tasks may run at a time.
            port: The api-server's port on 127.0.0.1; 0 picks a free one.
            paused: Whether new DAGs are paused.
            boot_timeout: Seconds in which the services must be healthy.
            stop_grace: Seconds between SIGTERM and SIGKILL.

        Raises:
            ValueError: A service is unknown, or api-server is not among them.
        """
        for service in services:
            if _command(service) not in SERVICES:
                raise ValueError(f"services: found {service!r}; allowed are {', '.join(SERVICES)}")
        if "api-server" not in services:
            raise ValueError("services: found no api-server; nothing runs without it")
        self.home = home.resolve()
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)  # What runs have told is in the database and in the logs.
        (self.home / "logs" / "services").mkdir(parents=True, exist_ok=True)
        port = port or _free_port()
        super().__init__(f"http://127.0.0.1:{port}", USERNAME, keep_password(self.home))
        self._names = tuple(services)
        self._running: dict[str, GuardedProcess] = {}
        self._boot_timeout = boot_timeout
        self._stop_grace = stop_grace
        self._sqlite = self.home / "airflow.db" if database is None else None
        self.database = database or f"sqlite:///{self._sqlite}"
        write_configuration(
            self.home,
            port=port,
            database=self.database,
            dags_folder=dags_folder,
            plugins_folder=plugins_folder,
            parallelism=parallelism,
            paused=paused,
        )
        self.environment = service_environment(self.home, pipelines_dir, environment or {})

    def __enter__(self) -> AirflowServices:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Migrate the database, start the services side by side and wait until they are healthy.

        Raises:
            RuntimeError: A service has ended; the message holds the end of its log.
            TimeoutError: They are not healthy in time.
        """
        self._migrate()
        for name in self._names:
            self._start(name)
        self.wait_until_healthy()

    def stop(self) -> None:
        """Stop all services: first the scheduler, last the api-server, which the others talk to. Again does nothing."""
        for wave in (("scheduler",), ("dag-processor", "triggerer"), ("api-server",)):
            ending = [self._running.pop(name) for name in list(self._running) if _command(name) in wave]
            for service in ending:
                service.ask_to_end()
            for service in ending:
                service.end()

    def restart(self, service: str) -> None:
        """Stop a service with all its processes, or what a kill has left of it; start it and wait until it is healthy.

        Args:
            service: Its name.
        """
        if service in self._running:
            self._running.pop(service).end()
        self._start(service)
        self.wait_until_healthy()

    def kill(self, service: str, number: int = signal.SIGKILL, *, tree: bool = False) -> None:
        """Send a signal to a service.

        Args:
            service: Its name.
            number: The signal.
            tree: Whether to its descendants, too. Otherwise they live on, as they do when a process is killed alone.
        """
        self._running[service].send(number, tree=tree)

    def pids(self, service: str) -> list[int]:
        """List a service's processes.

        Args:
            service: Its name.

        Returns:
            Process ids: the service's own first if it is alive, then those of its descendants.
        """
        return [process.pid for process in self._running[service].processes()]

    def ended(self) -> list[str]:
        """Name the services that have ended by themselves."""
        return [name for name, service in self._running.items() if not service.is_alive()]

    def log(self, service: str) -> Path:
        """Tell where a service's output goes.

        Args:
            service: Its name.

        Returns:
            The file.
        """
        return self.home / "logs" / "services" / f"{service}.log"

    def cli(self, *arguments: str, timeout: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run an ``airflow`` command in the services' environment.

        Args:
            arguments: For example ``"backfill", "create", "--dag-id", …``.
            timeout: Seconds.
            check: Whether a failure raises.

        Returns:
            The ended command; ``stdout`` holds its errors, too.

        Raises:
            RuntimeError: It failed; the message holds its output.
        """
        ended = subprocess.run(
            [*_airflow(), *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and ended.returncode:
            raise RuntimeError(f"airflow {' '.join(arguments)} ended with {ended.returncode}:\n{ended.stdout}")
        return ended

    def wait_until_healthy(self, timeout: float | None = None) -> None:
        """Wait until every service has given a sign of life since it was started.

        Args:
            timeout: Seconds; None for ``boot_timeout``.

        Raises:
            RuntimeError: A service has ended; the message holds the end of its log.
            TimeoutError: They are not healthy in time.
        """
        timeout = self._boot_timeout if timeout is None else timeout
        deadline = time.monotonic() + timeout
        while missing := self._missing():
            for name in self.ended():
                raise RuntimeError(f"{name} has ended:\n{self._tail(name)}")
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"after {timeout:g} s not healthy: {', '.join(missing)}\n"
                    + "\n".join(f"{name}:\n{self._tail(name)}" for name in missing)
                )
            time.sleep(0.2)

    def _missing(self) -> list[str]:
        """Name the services that have not come up yet."""
        query = {"is_alive": True, "order_by": "-start_date", "limit": 100}
        try:
            jobs = self.api("GET", "/jobs", params=query)["jobs"]
        except requests.RequestException:  # the api-server does not answer
            return list(self._running)
        missing = []
        for name, service in self._running.items():
            kind = _command(name)
            if kind not in _JOBS:
                continue
            # A job says only its kind, so where several of a kind run, as many jobs must be new as services are.
            twins = [other for other_name, other in self._running.items() if _command(other_name) == kind]
            new_services = sum(twin.started >= service.started for twin in twins)
            new_jobs = sum(
                job["job_type"] == _JOBS[kind] and _moment(job["start_date"]) >= service.started for job in jobs
            )
            if new_jobs < new_services:
                missing.append(name)
        return missing

    def _start(self, name: str) -> None:
        kind = _command(name)
        # The api-server reads the logs from the same disk.
        options = ["--skip-serve-logs"] if kind in ("scheduler", "triggerer") else []
        command = [*_airflow(), kind, *options]
        self._running[name] = GuardedProcess(command, self.environment, self.log(name), self._stop_grace)

    def _tail(self, service: str) -> str:
        return "\n".join(self.log(service).read_text(errors="replace").splitlines()[-30:])

    def _migrate(self) -> None:
        """Bring the database to Airflow's schema."""
        if self._sqlite is None:
            self.cli("db", "migrate")
            return
        # The file stays in its home, and may be of an Airflow that was updated since.
        version, noted = importlib.metadata.version("apache-airflow-core"), self.home / "migrated"
        migrated = _MIGRATED / f"airflow-{version}.db"
        if self._sqlite.exists():
            if not noted.exists() or noted.read_text() != version:
                self.cli("db", "migrate")
        elif migrated.exists():
            shutil.copyfile(migrated, self._sqlite)
        else:
            self.cli("db", "migrate")
            migrated.parent.mkdir(parents=True, exist_ok=True)
            copy = migrated.with_suffix(f".{os.getpid()}")
            shutil.copyfile(self._sqlite, copy)
            copy.replace(migrated)
        noted.write_text(version)


def _command(service: str) -> str:
    return re.sub(r"-\d+$", "", service)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _airflow() -> list[str]:
    return [sys.executable, "-m", "airflow"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
