"""The fixtures of tests/e2e, for tests that kill."""
import importlib.util
import os
import sys

E2E = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e")
sys.path.insert(0, E2E)

spec = importlib.util.spec_from_file_location("e2e_conftest", os.path.join(E2E, "conftest.py"))
e2e_conftest = importlib.util.module_from_spec(spec)
sys.modules["e2e_conftest"] = e2e_conftest
spec.loader.exec_module(e2e_conftest)

from e2e_conftest import (  # noqa: E402,F401
    dst, pytest_addoption, pytest_collection_modifyitems, pytest_configure, pytest_sessionfinish,
    pytest_unconfigure, run, run_new, servers, soak, src, user)
