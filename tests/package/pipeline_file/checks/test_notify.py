"""What ``notify`` may say: a notifier's class, arguments that it takes, templates of few names, and no secret."""

from __future__ import annotations

import re
import sys

import pytest
import yaml

from fresh_endpoints import __main__ as commands
from fresh_endpoints.pipeline_file.loading import load_pipelines
from pipeline_files import BASE

SNS = "airflow.providers.amazon.aws.notifications.sns.SnsNotifier"
TOPIC = {"target_arn": "arn:aws:sns:ap-northeast-1:123456789012:models", "message": "{{ message }}"}
SMTP = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
MAIL = {"to": "ml@example.com", "subject": "{{ title }}: {{ pipeline }}", "html_content": "{{ message_html }}"}


def file_with(**entry):
    return BASE + "endpoint: {RetainAllVariantProperties: true}\n" + yaml.safe_dump({"notify": [entry]})


@pytest.fixture
def check(folder, capsys):
    """What the command says of a file with one notifier; empty where it can be used."""

    def check(**entry):
        path = folder / "iris.yaml"
        path.write_text(file_with(**entry))
        status = commands.main(["check", str(path)])
        said = capsys.readouterr()
        *found, counted = said.err.splitlines()
        assert (status, said.out) == ((1, "") if found else (0, "iris: ok\n"))
        assert counted.startswith("1 pipeline file: ")
        return "\n".join(re.sub(rf"^{re.escape(str(path))}(:\d+)?: error: ", "", line) for line in found)

    return check


@pytest.mark.parametrize(("notifier", "arguments"), [(SNS, TOPIC), (SMTP, MAIL)])
def test_a_notifier_with_arguments_that_it_takes_is_right(check, notifier, arguments):
    assert check(notifier=notifier, arguments=arguments) == ""


@pytest.mark.parametrize(
    ("notifier", "said"),
    [
        (
            "airflow.providers.pagerduty.notifications.pagerduty.PagerdutyNotifier",
            "no module 'airflow.providers.pagerduty' is found; is apache-airflow-providers-pagerduty installed here",
        ),
        (
            "airflow.providers.amazon.aws.notifications.sns.SnsNotifer",
            "airflow.providers.amazon.aws.notifications.sns has nothing of that name; did you mean 'SnsNotifier'?",
        ),
        ("json.decoder.JSONDecoder", "json.decoder has the class JSONDecoder, which is no subclass of Airflow's Base"),
        ("os.path.join", "os.path has a function"),
        ("airflow.providers.common.compat.notifier.BaseNotifier", "BaseNotifier has no notify() of its own"),
    ],
)
def test_what_is_no_notifier_is_refused_with_what_was_found(check, notifier, said):
    found = check(notifier=notifier)
    assert found.startswith(f"notify[0].notifier: found {notifier!r}; {said}")


def test_arguments_that_a_class_does_not_take_are_refused_with_those_that_it_does(check):
    found = check(notifier=SNS, arguments={**TOPIC, "topic": "x"})
    assert found.startswith(
        "notify[0].arguments: SnsNotifier has no argument 'topic'; allowed aws_conn_id, target_arn, "
    )
    found = check(notifier=SNS, arguments={**TOPIC, "mesage": "x"})
    assert found == "notify[0].arguments: SnsNotifier has no argument 'mesage'; did you mean 'message'?"
    assert check(notifier=SNS, arguments={"message": "m"}).startswith(
        "notify[0].arguments: SnsNotifier: missing a required"
    )


@pytest.mark.parametrize("notifier", ["SnsNotifier", "os.system('x')", "a..B", "__main__.X", "a._b.C", "a b.C", "é.B"])
def test_only_a_dotted_name_is_a_notifier(problems, notifier):
    [found] = problems(file_with(notifier=notifier))
    assert found.startswith(f"notify[0].notifier: found {notifier!r}; it must be the dotted name of a notifier's class")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token", "abc"),
        ("smtp_password", "abc"),
        ("integration_key", "abc"),
        ("api_key", "abc"),
        ("webhook_url", "abc"),
        ("text", "https://hooks.slack.com/services/T/B/x"),
        ("url", "https://x.webhook.office.com/webhookb2/1"),
        ("url", "https://discord.com/api/webhooks/1/x"),
        ("url", "https://prod.logic.azure.com/workflows/1?sig=x"),
        ("url", "https://me:secret@example.com/"),
        ("text", "xoxb-1-2"),
        ("header", "Bearer abcdefghij"),
        ("key_id", "AKIAABCDEFGHIJKLMNOP"),
    ],
)
@pytest.mark.parametrize("is_deep", [False, True])
def test_what_looks_like_a_secret_is_refused_and_not_shown(problems, name, value, is_deep):
    arguments = {"headers": [{name: value}]} if is_deep else {name: value}
    path = f"headers[0].{name}" if is_deep else name
    [found] = problems(file_with(notifier=SNS, arguments=arguments))
    assert found.startswith(f"notify[0].arguments.{path}: found (hidden); it looks like a secret")
    assert "put it into an Airflow connection, and name that in the notifier's parameter" in found
    assert value == "abc" or value not in found


@pytest.mark.parametrize("arguments", ["xoxb-1", ["xoxb-1"], 1])
def test_what_is_no_mapping_of_arguments_is_not_shown(problems, arguments):
    [found] = problems(file_with(notifier=SNS, arguments=arguments))
    assert found.startswith("notify[0].arguments: found '(hidden)'")
    assert "a mapping" in found


def test_a_key_that_tells_events_apart_is_no_secret(problems):
    assert problems(file_with(notifier=SNS, arguments={"dedup_key": "{{ pipeline }}", "aws_conn_id": "mail"})) == []


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ mesage }}", "the name 'mesage' is not known; did you mean 'message'?"),
        ("{{ conn.slack.password }}", "the name 'conn' is not known"),
        ("{{ var.value.x }}", "the name 'var' is not known"),
        ("{{ ti.task_id }}", "the name 'ti' is not known; allowed dag_id, data_date, date, message, "),
        ("{{ macros.uuid.uuid4() }}", "the name 'macros' is not known"),
        ("{{ message.__class__ }}", "the member '__class__' is not allowed"),
        ("{% for x in message %}{% endfor %}", "'{% for %}' is not allowed"),
        ("{{ message", "it is not a Jinja template"),
    ],
)
def test_a_template_reaches_the_message_and_nothing_else(problems, template, said):
    [found] = problems(file_with(notifier=SNS, arguments={"message": [template]}))
    assert found.startswith(f"notify[0].arguments.message[0]: found {template!r}; ")
    assert said in found


def test_an_unknown_key_is_refused_beside_those_that_there_are(problems):
    [found] = problems(file_with(notifier=SNS, argument={}))
    assert (
        found == "notify[0].argument: found an unknown key; allowed notifier, on, arguments; did you mean 'arguments'?"
    )
    [found] = problems(BASE + "notify: {}\n")
    assert found.startswith("notify: found '(hidden)'")
    [found] = problems(file_with(notifier=SNS, on="failures"))
    assert found == "notify[0].on: found 'failures'; allowed all, problems"


@pytest.mark.parametrize("key", ["on", "'on'"])
def test_the_key_on_needs_no_quotes(folder, key):
    text = f"{BASE}notify:\n  - notifier: {SNS}\n    {key}: all\n"
    (folder / "iris.yaml").write_text(text)
    [pipeline] = load_pipelines(folder).pipelines
    assert pipeline.notify[0].on == "all"


@pytest.mark.parametrize("connection", ["xoxb-1-2", "https://hooks.slack.com/services/T/B/x"])
def test_a_secret_in_the_place_of_slacks_connection_is_not_shown(problems, connection):
    [found] = problems(BASE + yaml.safe_dump({"slack": {"connection": connection}}))
    assert found.startswith("slack.connection: found '(hidden)'; it must be the name of an Airflow connection")


def test_loading_a_file_loads_no_class(problems, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "never_loaded.py").write_text("raise SystemExit")
    assert problems(file_with(notifier="never_loaded.Notifier")) == []
    assert "never_loaded" not in sys.modules
