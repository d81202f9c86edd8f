"""What one asks of a running Airflow, over its public REST API.

https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import quote

import requests

_POLL_SECONDS = 0.5
_FINAL_RUN_STATES = frozenset({"success", "failed"})

Json = dict[str, Any]


class ApiError(RuntimeError):
    """Airflow refused a request.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, method: str, path: str, response: requests.Response):
        super().__init__(f"{method} {path}: HTTP {response.status_code}: {response.text[:2000]}")
        self.status = response.status_code


class AirflowApi:
    """A client of one Airflow, logged in.

    Attributes:
        url: The api-server's address, without a slash at the end.
        username: The user.
        password: The user's password.
    """

    def __init__(self, url: str, username: str, password: str):
        self.url = url
        self.username = username
        self.password = password
        self._token: str | None = None

    def token(self) -> str:
        """Log in.

        https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/auth-manager/simple/token.html

        Returns:
            A new JWT.

        Raises:
            ApiError: The login was refused.
        """
        login = {"username": self.username, "password": self.password}
        response = requests.post(f"{self.url}/auth/token", json=login, timeout=60)
        if response.status_code != requests.codes.created:
            raise ApiError("POST", "/auth/token", response)
        return str(response.json()["access_token"])

    def api(self, method: str, path: str, json: Any = None, params: Json | None = None) -> Any:
        """Call the REST API, version 2.

        Args:
            method: HTTP method.
            path: Path below ``/api/v2``, for example ``/dags``; quote what needs it.
            json: The body, None for none.
            params: The query.

        Returns:
            The answer's JSON, None if there is none.

        Raises:
            ApiError: The answer's status is no success.
            requests.RequestException: There was no answer.
        """
        for attempt in (1, 2):
            self._token = self._token or self.token()
            response = requests.request(
                method,
                f"{self.url}/api/v2{path}",
                json=json,
                params=params,
                headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
                timeout=60,
            )
            if response.status_code != requests.codes.unauthorized or attempt == 2:
                break
            self._token = None  # expired, or from before a restart
        if not response.ok:
            raise ApiError(method, path, response)
        return response.json() if response.content else None

    def wait_for_dag(self, dag_id: str, timeout: float = 120) -> Json:
        """Wait until the DAG has been parsed and can be triggered.

        Args:
            dag_id: The DAG.
            timeout: Seconds.

        Returns:
            The DAG, as the API tells it.

        Raises:
            TimeoutError: It did not appear; the message holds the import errors.
        """

        def look() -> Json:
            try:
                return dict(self.api("GET", _path("dags", dag_id)))
            except ApiError as error:
                if error.status == requests.codes.not_found:
                    return {"is_stale": True}
                raise

        def complain(_: Json) -> str:
            errors = [e["stack_trace"] for e in self.api("GET", "/importErrors")["import_errors"]]
            return f"DAG {dag_id} did not appear; import errors: {errors or 'none'}"

        return _wait(look, lambda dag: not dag["is_stale"], timeout, complain)

    def unpause(self, dag_id: str, *, paused: bool = False) -> None:
        """Let the scheduler run the DAG.

        Args:
            dag_id: The DAG.
            paused: True pauses it instead.
        """
        self.api("PATCH", _path("dags", dag_id), {"is_paused": paused})

    def trigger(
        self,
        dag_id: str,
        logical_date: str | None = None,
        conf: Json | None = None,
        run_id: str | None = None,
    ) -> str:
        """Trigger a run.

        Args:
            dag_id: The DAG.
            logical_date: The run's logical date in ISO 8601, with a time zone; None for a run without one.
            conf: The trigger form's params.
            run_id: The run's id; None lets Airflow choose.

        Returns:
            The run's id.

        Raises:
            ApiError: Airflow refuses, for example params that the DAG does not allow.
        """
        body: Json = {"logical_date": logical_date, "conf": conf or {}}
        if run_id is not None:
            body["dag_run_id"] = run_id
        return str(self.api("POST", _path("dags", dag_id, "dagRuns"), body)["dag_run_id"])

    def runs(self, dag_id: str) -> list[Json]:
        """List a DAG's runs.

        Args:
            dag_id: The DAG.

        Returns:
            The latest 100 runs, oldest first.
        """
        query = {"order_by": "-id", "limit": 100}
        return list(reversed(self.api("GET", _path("dags", dag_id, "dagRuns"), params=query)["dag_runs"]))

    def run(self, dag_id: str, run_id: str) -> Json:
        """Describe a run.

        Args:
            dag_id: The DAG.
            run_id: The run.

        Returns:
            The run, as the API tells it.
        """
        return dict(self.api("GET", _path("dags", dag_id, "dagRuns", run_id)))

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float = 180) -> Json:
        """Wait until a run has ended.

        Args:
            dag_id: The DAG.
            run_id: The run.
            timeout: Seconds.

        Returns:
            The run, as the API tells it.

        Raises:
            TimeoutError: It has not ended in time; the message holds the tasks' states.
        """

        def complain(run: Json) -> str:
            tasks = {task["task_id"]: task["state"] for task in self.task_instances(dag_id, run_id)}
            return f"run {run_id} of {dag_id} is {run['state']}; its tasks: {tasks}"

        return _wait(lambda: self.run(dag_id, run_id), lambda run: run["state"] in _FINAL_RUN_STATES, timeout, complain)

    def task_instances(self, dag_id: str, run_id: str) -> list[Json]:
        """List a run's task instances.

        Args:
            dag_id: The DAG.
            run_id: The run.

        Returns:
            Its task instances, as the API tells them.
        """
        path = _path("dags", dag_id, "dagRuns", run_id, "taskInstances")
        return list(self.api("GET", path, params={"limit": 100})["task_instances"])

    def wait_for_task(
        self, dag_id: str, run_id: str, task_id: str, states: Collection[str], timeout: float = 120
    ) -> Json:
        """Wait until a task instance is in one of some states.

        Args:
            dag_id: The DAG.
            run_id: The run.
            task_id: The task.
            states: The states, for example ``["deferred"]``.
            timeout: Seconds.

        Returns:
            The task instance, as the API tells it.

        Raises:
            TimeoutError: It is in none of them in time.
        """
        path = _path("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id)
        return _wait(
            lambda: dict(self.api("GET", path)),
            lambda task: task["state"] in states,
            timeout,
            lambda task: f"{task_id} of run {run_id} is {task['state']}, not {sorted(states)}",
        )

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> str:
        """Read a task's log as the UI shows it.

        Args:
            dag_id: The DAG.
            run_id: The run.
            task_id: The task.
            try_number: The try, from 1.

        Returns:
            The log's events, one a line; further members follow an event as ``name=value``.
        """
        path = _path("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "logs", try_number)
        lines = []
        for entry in self.api("GET", path, params={"full_content": True})["content"]:
            if isinstance(entry, str):
                lines.append(entry)
                continue
            rest = " ".join(f"{name}={value}" for name, value in entry.items() if name not in ("event", "timestamp"))
            lines.append(f"{entry.get('timestamp') or ''} {entry['event']} {rest}".strip())
        return "\n".join(lines)

    def clear(self, dag_id: str, run_id: str, task_ids: list[str]) -> list[Json]:
        """Clear tasks of a run and those downstream of them, as the UI's button does.

        Args:
            dag_id: The DAG.
            run_id: The run.
            task_ids: The tasks.

        Returns:
            The task instances that were cleared.
        """
        request = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": task_ids,
            "only_failed": False,
            "include_downstream": True,
        }
        return list(self.api("POST", _path("dags", dag_id, "clearTaskInstances"), request)["task_instances"])

    def set_task_state(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Mark a task instance, as the UI's button does.

        Args:
            dag_id: The DAG.
            run_id: The run.
            task_id: The task.
            state: ``success``, ``failed`` or ``skipped``.
        """
        path = _path("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id)
        self.api("PATCH", path, {"new_state": state}, params={"update_mask": "new_state"})

    def backfill(self, dag_id: str, from_date: str, to_date: str, **body: Any) -> int:
        """Create a backfill.

        Args:
            dag_id: The DAG.
            from_date: The first logical date in ISO 8601, with a time zone.
            to_date: The last.
            body: Further members of the request, for example ``max_active_runs=2``.

        Returns:
            The backfill's id.
        """
        request = {"dag_id": dag_id, "from_date": from_date, "to_date": to_date, **body}
        return int(self.api("POST", "/backfills", request)["id"])

    def wait_for_backfill(self, backfill_id: int, timeout: float = 600) -> Json:
        """Wait until a backfill has completed.

        Args:
            backfill_id: The backfill.
            timeout: Seconds.

        Returns:
            The backfill, as the API tells it.

        Raises:
            TimeoutError: It has not completed in time.
        """
        return _wait(
            lambda: dict(self.api("GET", _path("backfills", backfill_id))),
            lambda backfill: backfill["completed_at"] is not None,
            timeout,
            lambda _: f"backfill {backfill_id} has not completed",
        )


def _path(*parts: str | int) -> str:
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


def _wait(
    look: Callable[[], Json], is_awaited: Callable[[Json], bool], timeout: float, complain: Callable[[Json], str]
) -> Json:
    """Look until what is there is what is awaited."""
    deadline = time.monotonic() + timeout
    while not is_awaited(found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {timeout:g} s: {complain(found)}")
        time.sleep(_POLL_SECONDS)
    return found
