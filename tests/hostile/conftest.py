"""What the tests with hostile media share."""

from __future__ import annotations

import pytest

from hostile.originals import Original, make_originals


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Original, ...]:
    """A tiny whole clip of each container."""
    return make_originals(tmp_path_factory.mktemp("originals"))
