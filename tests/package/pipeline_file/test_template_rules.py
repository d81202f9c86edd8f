"""No template hangs the check or a task, and none reaches what a pipeline file has no business with."""

from __future__ import annotations

import re

import pytest

from fresh_endpoints.pipeline_file.loading import load_pipelines, load_pipelines_of_dags
from fresh_endpoints.pipeline_file.template_rules import BUDGET
from fresh_endpoints.problems import PipelineFileError
from pipeline_files import BASE, changed

WAY_OUT = (
    "because rendered fields are shown in Airflow's UI, and from there a template would reach secrets and programs"
)
TASK_INSTANCE = "dag_id, ti.map_index, ti.max_tries, ti.run_id, ti.task_id, ti.try_number"
NUMBERS = "is allowed between numbers only, because it may repeat a text; write (… | int) of what is one"
STATEMENTS = "allowed {{ … }}, {% if … %} and {% set NAME = … %}"


def with_template(template: str) -> str:
    quoted = "'" + template.replace("'", "''") + "'"
    return changed(("  RoleArn", f"  Environment: {{A: {quoted}}}\n  RoleArn"), ("name: iris", "name: bad"))


@pytest.fixture
def refusal(loader, folder):
    """Load a template in a file beside a right one; what is said of it."""

    def refusal(template):
        (folder / "bad.yaml").write_text(with_template(template))
        (folder / "iris.yaml").write_text(BASE)
        outcome = loader.load(folder)
        assert outcome.end == ""
        assert outcome.names == ["iris"]
        assert outcome.seconds < 5
        [said] = outcome.errors["bad.yaml"].splitlines()[1:]
        place, _, rest = said.strip().partition(": found ")
        assert place == "training.Environment.A"
        return rest.partition("; ")[2]

    return refusal


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{% for i in range(10**9) %}x{% endfor %}", f"'{{% for %}}' is not allowed; {STATEMENTS}"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", f"'{{% macro %}}' is not allowed; {STATEMENTS}"),
        ("{% filter upper %}a{% endfilter %}", f"'{{% filter %}}' is not allowed; {STATEMENTS}"),
        ("{% call x() %}a{% endcall %}", f"'{{% call %}}' is not allowed; {STATEMENTS}"),
        ("{% include '/etc/passwd' %}", f"'{{% include %}}' is not allowed; {STATEMENTS}"),
        ("{% import 'a' as a %}", f"'{{% import %}}' is not allowed; {STATEMENTS}"),
        ("{% set a %}x{% endset %}", f"'{{% set %}}' is not allowed; {STATEMENTS}"),
        ("{{ 10 ** 10 ** 10 }}", "'**' is not allowed; write the number"),
        ("{{ 'a' * 10**9 }}", f"'*' {NUMBERS}"),
        ("{{ 10**9 * 'a' }}", f"'*' {NUMBERS}"),
        ("{{ [1] * 1000000000 }}", f"'*' {NUMBERS}"),
        ("{{ params.get('n') * 1000000000 }}", f"'*' {NUMBERS}"),
        ("{{ '%1000000000d' % 1 }}", f"'%' {NUMBERS}"),
        ("{{ '{:1000000000}'.format(1) }}", None),
        ("{{ 'a'.zfill(1000000000) }}", None),
        ("{{ 'a' | center(1000000000) }}", None),
        ("{{ 1.5 | round(1000000000, 'ceil') }}", None),
        ("{{ range(1000000000) | join }}", "'range' is allowed with numbers up to 1000 only; write them"),
        ("{{ range(run_id | int) | list }}", "'range' is allowed with numbers up to 1000 only; write them"),
        ("{% set range = 'x' %}", "{% set %} may not change what 'range' is; choose another name"),
        ("{{ lipsum(n=1000000) }}", None),
        ("{{ macros.time.sleep(1000000) }}", None),
        ("{{ " + "(" * 1500 + "1" + ")" * 1500 + " }}", None),
        ("{{ " + "-" * 2000 + "1 }}", None),
        ("{{ " + "not " * 900 + "1 }}", None),
        ("{{ " + "+".join("1" * 1500) + " }}", None),
        ("{{ run_id" + ".a" * 1500 + " }}", None),
        ("{% if 1 %}" * 150 + "{% endif %}" * 150, None),
        ("{{ run_id" + ".replace('a', 'aaaaaaaaaa')" * 30 + " }}", None),
        ("{{ 'x" + "y" * 5_000 + "' }}", "it has 5009 characters; a template has 4096 at most"),
        ("{{" * 60_000, "it has 120000 characters; a template has 4096 at most"),
    ],
)
def test_what_would_never_end_or_fill_the_memory(refusal, template, problem):
    said = refusal(template)
    assert problem is None or said == problem


def too_long() -> str:
    return f"what it becomes may have more than {BUDGET} characters; make it simpler"


@pytest.mark.parametrize(
    "template",
    [
        "{% set a = 'aaaaaaaaaa' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
        "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}",
        "{% set a = 'aaaaaaaaaa' %}" + "{% set a = a.replace('a', a) %}" * 10 + "{{ a }}",
        "{% set a = 'aaaaaaaaaa' %}" + "{% set a = a.join([a, a]) %}" * 40 + "{{ a }}",
        "{% set a = [] %}" + "{% set b = [a, a, a] %}" + "{% do a.append('" + "x" * 1500 + "') %}" * 2 + "{{ b }}",
        "{% set a = '1e308' %}" + "{% set a = (a | int) * (a | int) %}" * 20 + "{{ a }}",
        "{% set a = '%Y%Y%Y' %}" + "{% set a = dag_run.run_after.strftime(a) %}" * 4 + "{{ a }}",
    ],
)
def test_little_that_becomes_much_step_by_step(refusal, template):
    assert refusal(template) == too_long()


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (
            "{{ task.hook.get_credentials().secret_key }}",
            f"'task.hook' is not allowed, {WAY_OUT}; allowed task.task_id",
        ),
        (
            "{{ ti.get_template_context()['conn'] }}",
            f"'ti.get_template_context' is not allowed, {WAY_OUT}; allowed ti.",
        ),
        ("{{ ti['get_template_context']() }}", None),
        ("{{ task_instance.task.hook }}", f"'task_instance.task' is not allowed, {WAY_OUT}; "),
        ("{% set t = task %}{{ t.hook }}", f"'task' by itself is not allowed, {WAY_OUT}; allowed task.task_id"),
        ("{{ [task][0].hook }}", f"'task' by itself is not allowed, {WAY_OUT}; allowed task.task_id"),
        ("{{ (task or 1).hook }}", f"'task' by itself is not allowed, {WAY_OUT}; allowed task.task_id"),
        ("{{ task | attr('hook') }}", "the filter 'attr' is not allowed; allowed abs, "),
        ("{{ [task] | map(attribute='hook') | list }}", "the filter 'map' is not allowed; "),
        ("{{ [macros.uuid] | join(attribute='os.environ') }}", None),
        ("{{ macros.uuid.os.environ }}", f"'macros.uuid.os.environ' is not allowed, {WAY_OUT}; "),
        ("{{ macros['uuid']['os'].environ }}", f"'macros.uuid.os.environ' is not allowed, {WAY_OUT}; "),
        ("{{ macros['u' ~ 'uid'].os.environ }}", f"'macros.[…].os.environ' is not allowed, {WAY_OUT}; "),
        ("{{ dag.get_task('train').hook }}", f"'dag.get_task' is not allowed, {WAY_OUT}; allowed dag.dag_id"),
        ("{{ dag_run.get_dagrun }}", f"'dag_run.get_dagrun' is not allowed, {WAY_OUT}; "),
        ("{{ params.__class__ }}", "the member '__class__' is not allowed, because it begins with an underscore"),
        ("{{ params['__class__'] }}", "the member '__class__' is not allowed, because it begins with an underscore"),
        ("{{ params | attr('__class__') }}", "the filter 'attr' is not allowed; allowed abs, "),
        ("{{ ''.__class__.__mro__ }}", "the member '__class__' is not allowed, because it begins with an underscore"),
        ("{{ self }}", "the name 'self' is not known; allowed "),
        (
            "{{ cycler.__init__.__globals__ }}",
            "the member '__init__' is not allowed, because it begins with an underscore",
        ),
        ("{{ namespace }}", "the name 'namespace' is not known; "),
        (
            "{{ triggering_asset_events }}",
            "'triggering_asset_events' is not allowed, because it is no fact of the run's",
        ),
        ("{{ exception }}", "'exception' is not allowed, because it is no fact of the run's; allowed "),
        ("{{ dag_run.run_typo }}", f"'dag_run.run_typo' is not allowed, {WAY_OUT}; did you mean 'dag_run.run_type'?"),
        ("{% set pipeline = 'x' %}", "{% set %} may not change what 'pipeline' is; choose another name"),
        ("{{ range(*[1]) }}", "'*' before an argument is not allowed; write the arguments out"),
        ("{{ params.get('f')('x') }}", "'…(…)' is not allowed; allowed append, "),
    ],
)
def test_what_reaches_further_than_the_facts_of_the_run(refusal, template, problem):
    said = refusal(template)
    assert problem is None or said.startswith(problem)


@pytest.mark.parametrize(
    "template",
    [
        "{{ data_date }}/{{ date }}/{{ pipeline }}/{{ bucket }}",
        "{{ var.value.get('a', 'b') }}{{ var.value.a }}{{ var.json.a.b['c'][0] }}{{ var.json['a'][pipeline] }}",
        "{{ params.get('size', 10) }}{{ params[pipeline] | default('') }}{{ params.a is defined }}",
        "{{ dag_run.conf.day }}{{ dag_run.conf.get('a', {}).b }}{{ dag_run.run_after.strftime('%Y%m%d') }}",
        "{{ dag_run.logical_date.year }}{{ run_id }}{{ ti.try_number }}{{ task.task_id }}",
        "{{ dag.dag_id.replace('_', '-') }}{{ ti.map_index }}",
        "{{ macros.ds_add(data_date, -7) }}{{ macros.ds_format(data_date, '%Y-%m-%d', '%Y/%m/%d') }}",
        "{{ macros.datetime.strptime(data_date, '%Y-%m-%d').strftime('%j') }}{{ macros.uuid.uuid4() }}",
        "{{ (macros.datetime.strptime(data_date, '%Y-%m-%d') - macros.timedelta(days=1)).date() }}",
        "{{ 'a' if data_date > '2020' else 'b' }}{% if date %}x{% elif bucket %}y{% else %}z{% endif %}",
        "{% set year = data_date[:4] %}{{ year }}{{ (year | int) * 2 + 1 }}{{ 3600 * 24 }}{{ -(5 % 3) }}{{ 7 // 2 }}",
        "{{ data_date | replace('-', '') | upper | trim }}{{ data_date.split('-') | first }}{{ 'a' ~ 'b' + 'c' }}",
        "{{ [1, 2, 3] | join(',') }}{{ {'a': 1}['a'] }}{{ {'a': [1]} | tojson }}{{ 'a b' | urlencode }}",
        "{# a comment #}{% raw %}{{ not a template }}{% endraw %}{{- data_date -}}",
        "{{ not (date and pipeline in ['a', 'b']) or 1 == 1.0 }}{{ dag_run.conf | default({}, true) | string }}",
    ],
)
def test_what_a_pipeline_has_use_for(folder, template):
    (folder / "bad.yaml").write_text(with_template(template))
    loaded = load_pipelines(folder)
    assert loaded.errors == []


def test_a_worker_refuses_a_template_as_the_check_does(folder, monkeypatch):
    (folder / "bad.yaml").write_text(with_template("{{ task.hook.get_credentials().secret_key }}"))
    monkeypatch.setenv("PIPELINES_DIR", str(folder))
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "train_and_deploy_bad")
    with pytest.raises(PipelineFileError, match=re.escape("'task.hook' is not allowed")):
        load_pipelines_of_dags("train_and_deploy_")


def test_more_templates_than_a_file_has_use_for(loader, folder):
    variables = "".join(f"      A{n}: '{{{{ date }}}}'\n" for n in range(3_000))
    (folder / "bad.yaml").write_text(changed(("  RoleArn", f"  Environment:\n{variables}  RoleArn"), ("iris", "bad")))
    outcome = loader.load(folder)
    assert (
        "A500: found '{{ date }}'; the file has more than 500 templates; make several files of it"
        in (outcome.errors["bad.yaml"])
    )
    assert outcome.seconds < 5
