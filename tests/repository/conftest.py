"""What tests of the repository's own programs share."""

from __future__ import annotations

from laptop_page import demo_environment as demo_environment
