import logging

import pytest

from components import COMPONENTS, require

pytest_plugins = ["postgres", "product", "s3_server"]  # real servers for every test that asks


def pytest_configure(config: pytest.Config) -> None:
    logging.getLogger("httpx").setLevel(logging.WARNING)  # thousands of requests would hide what failed
    for name, component in COMPONENTS.items():
        config.addinivalue_line("markers", f"{name}: needs {component.needs}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture is set up: a server must not start for a test that cannot run."""
    for mark in item.iter_markers():
        if mark.name in COMPONENTS:
            require(mark.name)
