"""What the containers may do, whom they reach, and where the secrets are, seen from the engine and from inside."""

from __future__ import annotations

import json

from compose_stack import ONE_SHOT, Stack
from docker_under_test import docker

# Run inside a container: prints the addresses that take a connection.
_REACH = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def answers(address):
    try:
        socket.create_connection(address.rsplit(":", 1), 3).close()
    except OSError:
        return False
    return True
with ThreadPoolExecutor(16) as pool:
    print(json.dumps([to for to, yes in zip(sys.argv[1:], pool.map(answers, sys.argv[1:])) if yes]))
"""
PORTS = {"postgres": 5432, "redis": 6379, "api-server": 8080, "local-aws": 5000}


def reached(stack: Stack, service: str) -> set[str]:
    """The services that a container reaches, by name or by any of their addresses."""
    containers = stack.containers()
    by_address = {f"{name}:{port}": name for name, port in PORTS.items() if name in containers}
    for name in list(by_address.values()):
        networks = containers[name]["NetworkSettings"]["Networks"].values()
        by_address |= {f"{network['IPAddress']}:{PORTS[name]}": name for network in networks}
    answered = json.loads(stack.exec(service, "python", "-c", _REACH, *by_address))
    return {by_address[address] for address in answered}


def test_training_code_reaches_neither_database_nor_broker_nor_airflow(stack: Stack) -> None:
    assert reached(stack, "local-aws") == {"local-aws"}


def test_each_service_reaches_what_it_asks_and_nothing_else(stack: Stack) -> None:
    celery = stack.executor == "celery"
    everyone = {"postgres", "api-server", "local-aws"}
    assert reached(stack, "api-server") == {"postgres", "api-server"}
    assert reached(stack, "scheduler") == everyone | ({"redis"} if celery else set())
    assert reached(stack, "dag-processor") == reached(stack, "triggerer") == everyone
    if celery:
        assert reached(stack, "worker-1") == {"redis", "api-server", "local-aws"}


def test_no_container_has_rights_beyond_its_users(stack: Stack) -> None:
    for name, container in stack.containers().items():
        host = container["HostConfig"]
        assert (host["CapDrop"], host["Privileged"], host["ReadonlyRootfs"]) == (["ALL"], False, True), name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert host["PidsLimit"] > 0, name
        assert bool(host["CapAdd"]) is (name == "postgres"), name
        if name in ONE_SHOT:
            continue
        status = dict(
            line.split(":\t", 1) for line in stack.exec(name, "cat", "/proc/1/status").splitlines() if ":\t" in line
        )
        assert int(status["CapEff"], 16) == 0, name
        assert status["NoNewPrivs"] == "1", name
        assert "0" not in status["Uid"].split(), name


def test_ports_are_published_on_the_loopback_address_only(stack: Stack) -> None:
    published = [
        binding["HostIp"]
        for container in stack.containers().values()
        for bindings in (container["NetworkSettings"]["Ports"] or {}).values()
        for binding in bindings or []
    ]
    assert published == ["127.0.0.1", "127.0.0.1"]


def test_the_engine_tells_no_secret(stack: Stack) -> None:
    # Environment, command, health check and what it has said, labels, mounts.
    told = json.dumps(stack.containers()) + docker("network", "inspect", *docker("network", "ls", "--quiet").split())
    told += json.dumps(
        [docker("history", "--no-trunc", container["Image"]) for container in stack.containers().values()]
    )
    assert len(stack.settings.secrets) == 6
    assert [name for name, secret in stack.settings.secrets.items() if secret in told] == []


def test_no_process_has_a_secret_among_its_arguments(stack: Stack) -> None:
    running = [container["Id"] for name, container in stack.containers().items() if name not in ONE_SHOT]
    arguments = "".join(docker("top", identifier, "-eo", "pid,args") for identifier in running)
    assert "airflow scheduler" in arguments
    assert [name for name, secret in stack.settings.secrets.items() if secret in arguments] == []
    # From `up` on, whatever came and went: migration, login, health checks.
    assert stack.seen_in_arguments == set()


def test_no_log_has_a_secret(stack: Stack) -> None:
    logs = stack.run("logs", "--no-color")
    assert "airflow" in logs
    assert [name for name, secret in stack.settings.secrets.items() if secret in logs] == []


def test_the_database_wants_its_password(stack: Stack) -> None:
    attempt = "import psycopg2, sys; psycopg2.connect(host='postgres', user='airflow', password=sys.stdin.read())"
    command = f'echo wrong | python -c "{attempt}" 2>&1 || true'
    assert "password authentication failed" in stack.exec("dag-processor", "bash", "-c", command)
