"""The examples in the package's docstrings do what they say."""

import doctest
import importlib
import pkgutil

import pytest

import signing

MODULES = ["signing", *(f"signing.{module.name}" for module in pkgutil.iter_modules(signing.__path__))]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_hold(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS).failed == 0
