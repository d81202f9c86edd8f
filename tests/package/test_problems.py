"""How a mistake is said."""

from fresh_endpoints.problems import format_path, listed, near_misses


def test_paths_and_near_misses():
    assert format_path(("ProductionVariants", 0, "InstanceType")) == "ProductionVariants[0].InstanceType"
    assert near_misses("enviroment", ["Environment", "Image"]) == "'Environment'"
    assert [listed(words, "and") for words in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert near_misses("zzz", ["Environment"]) == near_misses(3, ["3"]) == ""
