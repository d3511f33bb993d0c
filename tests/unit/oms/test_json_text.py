"""JSON with and without orjson: the same text, the same refusals."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest

from ccxt_driver.oms import json_text


@pytest.fixture(params=["as installed", "standard library"])
def module(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    if request.param == "as installed":
        return json_text
    monkeypatch.setitem(sys.modules, "orjson", None)
    spec = importlib.util.spec_from_file_location("json_text_without_orjson", json_text.__file__)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert made.dumps.__module__ == "json_text_without_orjson"
    return made


HALVES = ['"\\ud800"', b'{"\\uDc00":1}', b'"\xed\xa0\x80"', "[1]".encode("utf-16")]
"""Half characters, which cannot be written again, and other encodings."""


@pytest.mark.parametrize("value", [None, True, 1, -0.5, "é\n\u2028", [1, [2]], {"a": {"b": None}}])
def test_compact_utf8_and_back(module: ModuleType, value: Any) -> None:
    text = module.dumps(value)
    assert module.loads(text) == module.loads(text.decode()) == value


def test_the_same_text_whatever_is_installed(module: ModuleType) -> None:
    assert module.dumps({"a": [1, "é", None, True, 1.5]}) == '{"a":[1,"é",null,true,1.5]}'.encode()


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff", b"NaN", b"Infinity", b"[" * 200_000, '{"a":1,}', b"1e999", *HALVES]
)
def test_what_is_not_json_is_a_value_error(module: ModuleType, text: Any) -> None:
    with pytest.raises(ValueError):
        module.loads(text)


def test_what_json_cannot_say_is_a_type_error(module: ModuleType) -> None:
    with pytest.raises(TypeError):
        module.dumps({"a": object()})


@pytest.mark.parametrize("opening,closing", [("[", "]"), ('{"a":', "}")])
def test_a_question_may_be_nested_but_not_deeper_than_it_can_be_answered(
    module: ModuleType, opening: str, closing: str
) -> None:
    def nested(depth: int) -> str:
        return f"[{opening * depth}1{closing * depth}]"

    assert module.dumps(module.loads_question(nested(60))).decode() == nested(60)
    assert module.loads_question("[" + "[1]," * 500 + "[2]]")[-1] == [2]
    for text in (nested(65), nested(300).encode(), nested(1000)):
        with pytest.raises(ValueError, match="nest"):
            module.loads_question(text)
