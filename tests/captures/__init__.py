"""Real recorded sessions through the public API, judged by what the venues themselves said."""

import pytest

pytest.register_assert_rewrite("tests.captures.rebuild")  # a failed verdict shows its figures
