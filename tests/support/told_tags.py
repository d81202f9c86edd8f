"""The tags by which a SageMaker resource remembers what was told of it, without SageMaker."""

from __future__ import annotations

from types import SimpleNamespace


class Tags:
    """The two operations of SageMaker that remember what was told."""

    def __init__(self, fails=()):
        self.tags, self.fails = {}, fails

    def add_tags(self, **request):
        if "AddTags" in self.fails:
            raise ConnectionError("AddTags")
        self.tags.update({tag["Key"]: tag["Value"] for tag in request["Tags"]})

    def get_paginator(self, operation):
        assert operation == "list_tags"
        if "ListTags" in self.fails:
            raise ConnectionError("ListTags")
        pages = [{"Tags": [{"Key": key, "Value": value}]} for key, value in self.tags.items()]
        return SimpleNamespace(paginate=lambda **request: pages)
