"""Fixtures that several test modules share. What they need is imported when a test asks for it."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """A made-up study of three tasks on simulated data: the study, its folder, its tables, figures and numbers."""
    from paper_fixture import build, three

    root = tmp_path_factory.mktemp("simulated")
    study = three(root / "in")
    return study, root, build(study, root)


@pytest.fixture(scope="session")
def measured(tmp_path_factory):
    """A made-up study of two regression tasks on measured data."""
    from paper_fixture import build, two

    root = tmp_path_factory.mktemp("measured")
    study = two(root / "in")
    return study, root, build(study, root)


@pytest.fixture(params=["simulated", "measured"])
def either(request):
    """Each of the two studies in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A made-up study with every experiment and control, its folder and its inputs; nothing is built of it yet."""
    from paper_fixture import full

    root = tmp_path_factory.mktemp("whole")
    return full(root / "in"), root
