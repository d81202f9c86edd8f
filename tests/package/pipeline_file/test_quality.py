"""Rules on a model's metrics: what they say, what breaks them, what is no rule."""

import pytest

from fresh_endpoints.pipeline_file.quality import Rule, broken_rules, parse_rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("validation:accuracy >= 0.9", ("validation:accuracy", ">=", 0.9, False)),
        ("loss<1e-3", ("loss", "<", 0.001, False)),
        ("  score   >   -.5 ", ("score", ">", -0.5, False)),
        ("validation:auc >= live", ("validation:auc", ">=", 0.0, True)),
        ("validation:auc >= live - 0.02", ("validation:auc", ">=", -0.02, True)),
        ("loss<=live+2", ("loss", "<=", 2.0, True)),
    ],
)
def test_a_rule_is_read(text, rule):
    assert parse_rule(text) == Rule(" ".join(text.split()), *rule)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "accuracy",
        "accuracy 0.9",
        "accuracy == 0.9",
        "accuracy => 0.9",
        "accuracy >= high",
        "accuracy >= live * 2",
        "accuracy >= live - ",
        "accuracy >= 0.9 and loss < 1",
        "accuracy >= __import__('os').getpid()",
        "accuracy >= nan",
        "accuracy >= 1e999",
        "two words >= 1",
    ],
)
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(ValueError, match=r"it is no rule|too large"):
        parse_rule(text)


@pytest.mark.parametrize(
    ("rule", "value", "keeps"),
    [
        ("m >= 0.9", 0.9, True),
        ("m >= 0.9", 0.8999, False),
        ("m > 0.9", 0.9, False),
        ("m <= 0.1", 0.1, True),
        ("m < 0.1", 0.1, False),
        ("m >= 0.9", float("nan"), False),
        ("m <= 0.9", float("nan"), False),
        # as SageMaker has it: a 32-bit float
        ("m >= 0.7", 0.699999988079071, True),
    ],
)
def test_a_value_keeps_or_breaks_a_rule(rule, value, keeps):
    assert (parse_rule(rule).broken_by({"m": value}) is None) is keeps


@pytest.mark.parametrize(
    ("rule", "value", "keeps"),
    [
        ("m >= live - 0.02", 0.93, True),
        ("m >= live - 0.02", 0.92, False),
        ("m <= live + 0.02", 0.97, True),
        ("m <= live + 0.02", 0.98, False),
        ("m > live", 0.95, False),
    ],
)
def test_the_bound_counts_from_the_live_model(rule, value, keeps):
    assert (parse_rule(rule).broken_by({"m": value}, {"m": 0.95}) is None) is keeps


def test_a_broken_rule_says_value_and_threshold():
    assert parse_rule("m >= live - 0.02").broken_by({"m": 0.9}, {"m": 0.95}) == (
        'Rule "m >= live - 0.02": m is 0.9, the threshold is 0.93 (the live model\'s is 0.95).'
    )


def test_a_missing_metric_breaks_the_rule_and_names_those_that_exist():
    assert parse_rule("m >= 1").broken_by({"b": 1, "a": 2}) == (
        'Rule "m >= 1": the training job has no metric "m"; its metrics are: a, b.'
    )
    assert parse_rule("m >= live").broken_by({}).endswith("its metrics are: none.")


def test_a_live_model_without_the_metric_breaks_nothing():
    assert parse_rule("m >= live").broken_by({"m": 0}, {"other": 1}) is None
    assert parse_rule("m >= live").broken_by({"m": 0}, None) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), "NaN", "Infinity", "good", None])
@pytest.mark.parametrize("rule", ["m >= 0", "m <= 0", "m < 1", "m >= live", "m <= live + 1"])
@pytest.mark.parametrize("live", [{"m": 1.0}, {"m": float("nan")}, {}, None])
def test_of_what_is_no_number_no_rule_holds(rule, value, live):
    assert parse_rule(rule).broken_by({"m": value}, live) == (
        f'Rule "{rule}": m is {value}, which is no number; no rule holds of it.'
    )


def test_a_number_that_came_as_text_is_a_number():
    assert parse_rule("m >= 0.9").broken_by({"m": "0.95"}) is None
    assert parse_rule("m >= live").broken_by({"m": 0.9}, {"m": "0.95"}).endswith("(the live model's is 0.95).")


@pytest.mark.parametrize(
    ("live", "said"),
    [
        ({"m": float("nan")}, "is nan, which is no number"),
        ({"m": "Infinity"}, "is Infinity, which is no number"),
        ({"other": 1}, "is not known"),
        (None, "is not known"),
    ],
)
def test_a_rule_against_a_live_value_that_is_not_known_says_so_and_holds(live, said, caplog):
    assert (
        broken_rules(["m >= live", "m >= 0.5", "n >= live"], {"m": 0.0, "n": 1.0}, live=live, against_live=True) == []
    )
    assert f'Rule "m >= live": the live model\'s m {said}; the rule holds.' in caplog.text
    assert 'Rule "n >= live": the live model\'s n is not known; the rule holds.' in caplog.text
    assert "0.5" not in caplog.text


def test_a_rule_that_is_judged_is_not_told_of(caplog):
    assert broken_rules(["m >= live", "m > 0"], {"m": 2}, live={"m": 1}, against_live=True) == []
    assert caplog.text == ""


def test_the_two_kinds_of_rules_are_judged_apart():
    rules = ["m >= 1", "m >= live", "n < 0"]
    assert len(broken_rules(rules, {"m": 0, "n": 0}, live=None, against_live=False)) == 2
    assert len(broken_rules(rules, {"m": 0, "n": 0}, live={"m": 1}, against_live=True)) == 1
