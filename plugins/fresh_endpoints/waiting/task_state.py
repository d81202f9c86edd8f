"""What Airflow's database says of a task right now, which its own process or trigger cannot know."""

from __future__ import annotations

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
