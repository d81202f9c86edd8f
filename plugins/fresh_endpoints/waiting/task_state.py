"""What Airflow's database says of a task right now, which its own process or trigger cannot know."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def state_of(task_instance: Any) -> str | None:
    """Ask Airflow for a task's state; it blocks.

    Args:
        task_instance: The task instance of a worker's context or of a trigger.

    Returns:
        The state, such as ``deferred``; None for a task that has been cleared and is not scheduled yet.

    Raises:
        Exception: Airflow does not answer.
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(
        dag_id=task_instance.dag_id, task_ids=[task_instance.task_id], run_ids=[task_instance.run_id]
    )
    index = getattr(task_instance, "map_index", None)
    # Airflow's keys: mapped tasks have their index in it.
    key = task_instance.task_id if index in (None, -1) else f"{task_instance.task_id}_{index}"
    state: str | None = states.get(task_instance.run_id, {}).get(key)
    return state


def failed_tasks(task_instance: Any, task_ids: Collection[str]) -> list[tuple[str, int]]:
    """Ask Airflow which tasks of a run have failed; it blocks.

    Args:
        task_instance: Any task instance of the run, as a callback's context has it.
        task_ids: The ids of the DAG's tasks.

    Returns:
        Task id and map index, -1 for a task that is not mapped.

    Raises:
        Exception: Airflow does not answer.
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    run_id = task_instance.run_id
    states = RuntimeTaskInstance.get_task_states(dag_id=task_instance.dag_id, run_ids=[run_id]).get(run_id, {})
    failed = []
    for key in (key for key, state in states.items() if state == "failed"):
        task_id, _, index = key.rpartition("_")
        is_mapped = key not in task_ids and task_id in task_ids and index.isdecimal()
        failed.append((task_id, int(index)) if is_mapped else (key, -1))
    return failed
