"""One client and a few threads a connection, for all that wait by it in a triggerer.

The threads are each connection's own: an event loop's default ones are few and everybody's, so that looks which hang
would keep all other connections' waits from theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from asgiref.sync import sync_to_async

from fresh_endpoints.aws.errors import is_credentials_refused, is_denied

T = TypeVar("T")

# A look that AWS does not answer is made anew when it is due, and holds its thread no longer than it must.
ONE_TRY: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "connect_timeout": 5, "read_timeout": 15}
THREADS = 4


class Connection:
    """Calls what blocks, with a connection's one hook, in threads of its own.

    Args:
        make_hook: Makes the hook and its client; may block.
        name: Of the threads.
    """

    def __init__(self, make_hook: Callable[[], Any], name: str):
        self._make_hook = make_hook
        self._hook: Any = None
        self._making = asyncio.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"fresh-endpoints-{name}")

    async def call(self, function: Callable[[Any], T]) -> T:
        """Call a function with the hook, in a thread.

        Args:
            function: Makes one request.

        Returns:
            What the function returns.

        Raises:
            Exception: What the function, or making the hook, raises.
        """
        async with self._making:
            if self._hook is None:
                self._hook = await self._in_thread(self._make_hook)
            hook = self._hook
        try:
            return await self._in_thread(lambda: function(hook))
        except Exception as error:
            if is_denied(error) or is_credentials_refused(error):
                # The connection may have been changed since, or its session's token renewed.
                self._hook = None
            raise

    async def _in_thread(self, function: Callable[[], T]) -> T:
        # sync_to_async, not a bare thread: reading the connection goes back through the triggerer's event loop.
        return await sync_to_async(function, thread_sensitive=False, executor=self._threads)()


class SageMakerConnection(Connection):
    """Makes requests of SageMaker, each once.

    Args:
        aws_conn_id: The Airflow connection.
        region_name: The AWS region.
    """

    def __init__(self, aws_conn_id: str | None, region_name: str | None):
        def make() -> Any:
            # Imported here because a DAG file's parse, which imports this module, must not pay for the provider.
            from fresh_endpoints.aws.clients import SageMakerHook

            hook = SageMakerHook(aws_conn_id=aws_conn_id, region_name=region_name, config=ONE_TRY)
            hook.get_conn()
            return hook

        super().__init__(make, "sagemaker")

    async def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the boto3 client; see watcher.Requests."""
        answer: dict[str, Any] = await self.call(lambda hook: getattr(hook.conn, method)(**parameters))
        return answer


class S3Connection(Connection):
    """Looks for objects, each once.

    Args:
        aws_conn_id: The Airflow connection.
        region_name: The AWS region.
    """

    def __init__(self, aws_conn_id: str | None, region_name: str | None):
        def make() -> Any:
            from fresh_endpoints.aws.clients import S3Hook

            hook = S3Hook(aws_conn_id=aws_conn_id, region_name=region_name, config=ONE_TRY)
            hook.get_conn()
            return hook

        super().__init__(make, "s3")

    async def are_there(self, bucket: str, keys: list[str]) -> bool:
        """Tell whether all objects exist.

        Args:
            bucket: The bucket.
            keys: The keys.

        Raises:
            botocore.exceptions.ClientError: S3 refuses to tell.
            botocore.exceptions.BotoCoreError: S3 could not be reached.
        """
        return await self.call(lambda hook: all(hook.check_for_key(key, bucket) for key in keys))


C = TypeVar("C", SageMakerConnection, S3Connection)

# Those that are in use now. By loop: `dag.test()` runs each trigger in an event loop of its own.
_connections: WeakValueDictionary[tuple[asyncio.AbstractEventLoop, type, str | None, str | None], Any] = (
    WeakValueDictionary()
)


def connection_of(service: type[C], aws_conn_id: str | None, region_name: str | None) -> C:
    """Return the running event loop's one connection to a service.

    Args:
        service: SageMakerConnection or S3Connection.
        aws_conn_id: The Airflow connection.
        region_name: The AWS region.
    """
    key = (asyncio.get_running_loop(), service, aws_conn_id, region_name)
    connection: C | None = _connections.get(key)
    if connection is None:
        _connections[key] = connection = service(aws_conn_id, region_name)
    return connection
