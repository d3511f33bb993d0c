"""`register()`: the driver's classes in ccxt's own modules, under an id of their own and in place of others.

ccxt's three modules are loaded by programs in any order and at any time, so what is registered is put
into each as soon as it has been executed, before the `import` of the program returns. A class under a
new id is loaded at its first use. One in place of another exchange is put there at once, into all
modules that hold the other one: a program that was told to trade on the OMS must not find the real one.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

CCXT: Final = "ccxt"
_ASYNC: Final = "ccxt.async_support"
_PRO: Final = "ccxt.pro"
MODULES: Final = (CCXT, _ASYNC, _PRO)
_LISTS: Final = ("exchanges", "__all__")
_LOCK: Final = threading.RLock()
_ids: list[str] = []
_aliases: list[str] = []
_undoings: list[Callable[[], None]] = []
_classes: dict[tuple[bool, str], Any] = {}
_executed: set[int] = set()
"""Modules that were executed while the finder was there."""


def register(id: str = "oms", alias: str | Iterable[str] | None = None) -> None:
    """Put the driver's classes into `ccxt`, `ccxt.async_support` and `ccxt.pro`, and into their lists.

    May be called again, from any thread; what is registered adds up. The two latter modules are not
    imported by it: what is imported later has the classes, too.

    :param id: the classes are `ccxt.<id>` and so on
    :param alias: ids of other exchanges, such as `["binance"]`, that the OMS serves from now on. The
        credentials that a program has for them are discarded: `CCXT_OMS_*` or the chosen profile decide
    :raises BadRequest: ccxt has an exchange with that `id`, or none with that `alias`
    """
    aliases = [alias] if isinstance(alias, str) else list(alias or ())
    importlib.import_module(CCXT)
    check(id, aliases)
    at_import(id, aliases)
    for name in MODULES:
        if _is_executed(name):
            _put_into(name)


def unregister() -> None:
    """Undo every `register()`: the modules, their lists and the classes in them are as they were."""
    with _LOCK:
        while _undoings:
            _undoings.pop()()
        _ids.clear()
        _aliases.clear()
        _executed.clear()
        if _FINDER in sys.meta_path:
            sys.meta_path.remove(_FINDER)


def at_import(id: str, aliases: Sequence[str]) -> None:
    """Have classes put into each module of ccxt when it is imported; loads nothing, checks nothing."""
    with _LOCK:
        _ids.extend({id} - set(_ids))
        _aliases.extend(name for name in dict.fromkeys(aliases) if name not in _aliases)
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)


def check(id: Any, aliases: Sequence[Any]) -> None:
    """Refuse ids that cannot be meant.

    :raises BadRequest: naming the argument
    """
    import ccxt

    if not isinstance(id, str) or not id.isidentifier() or id != id.lower():
        raise ccxt.BadRequest(f"id: expected a word in small letters, got {id!r}"[:200])
    if id not in _ids and (id in ccxt.exchanges or id in vars(ccxt)):
        raise ccxt.BadRequest(f"id: ccxt has {id!r} already; alias=[{id!r}] serves it by the OMS")
    for name in aliases:
        if not isinstance(name, str) or name in _ids or name == id or name not in ccxt.exchanges:
            raise ccxt.BadRequest(f"alias: ccxt has no other exchange {name!r}"[:200])


class _Finder:
    """Lets the ordinary finders find ccxt's modules, and has a word when they are executed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Of the three modules only."""
        if name not in MODULES:
            return None
        for finder in list(sys.meta_path):
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find and find(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader)
                found: ModuleSpec = spec
                return found
        return None


class _Loader:
    """The module's own loader, and then the classes; afterwards nothing of it is left on the module."""

    def __init__(self, loader: Any) -> None:
        self._own = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        """As the own loader does."""
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module, and put in what is registered."""
        module.__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        self._own.exec_module(module)
        _executed.add(id(module))
        parent, _, child = module.__name__.rpartition(".")
        if parent:  # as the import does when it ends; the streaming classes look for their bases there
            setattr(sys.modules[parent], child, module)
        _put_into(module.__name__)


_FINDER: Final = _Finder()


def _is_executed(name: str) -> bool:
    """Whether a module is there as a whole, and not in the middle of its import."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    return module is not None and (id(module) in _executed or not getattr(spec, "_initializing", False))


def _put_into(name: str) -> None:
    """Put what is registered into a module that was executed.

    Whatever has to be imported is imported before the lock is taken: others hold an import's lock
    when they come here.
    """
    aliases = list(_aliases)
    if aliases:
        _check_aliases(aliases)
        if name != CCXT:
            _load_all_streaming_classes()
        for alias in aliases:
            _class_of(name, alias, is_alias=True)
    with _LOCK:
        for each in MODULES if name != CCXT else (CCXT,):
            module = sys.modules.get(each)
            if module is None or not _is_executed(each):
                continue
            if _ids and not isinstance(vars(module).get("__getattr__"), _FirstUse):
                _FirstUse(module)
            for own in _ids:
                _list(module, own)
            for alias in aliases:
                if alias in _aliases:  # not unregistered meanwhile
                    _replace(module, alias)
                    _list(module, alias)


def _check_aliases(aliases: Sequence[str]) -> None:
    """Refuse a slip of the pen: the exchange that is meant would be the real one.

    :raises ImportError: as this is seen while ccxt is being imported
    """
    import ccxt

    unknown = [name for name in aliases if name not in ccxt.exchanges]
    if unknown:
        raise ImportError(f"CCXT_OMS_OVERRIDE_EXCHANGES: ccxt has no exchange {', '.join(unknown)}")


def _load_all_streaming_classes() -> None:
    """Let `ccxt.pro`'s classes take their bases from `ccxt.async_support` while the real ones are there.

    `ccxt.pro` may be in the middle of its own import, so its modules are imported one by one.
    """
    package = importlib.import_module(_PRO)
    for found in pkgutil.iter_modules(package.__path__):
        if not found.ispkg:
            importlib.import_module(f"{_PRO}.{found.name}")


def _list(module: ModuleType, name: str) -> None:
    for which in _LISTS:
        listed = getattr(module, which, None)
        if isinstance(listed, list) and name not in listed:
            listed.append(name)
            _undoings.append(partial(_unlist, listed, name))


def _unlist(listed: list[str], name: str) -> None:
    if name in listed:
        listed.remove(name)


class _FirstUse:
    """A module's `__getattr__`, which loads our classes; what there was before answers for the rest."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._previous = vars(module).get("__getattr__")
        vars(module)["__getattr__"] = self
        _undoings.append(self._undo)

    def __call__(self, name: str) -> Any:
        """The attribute that the module does not have."""
        if name in _ids:
            kind = _class_of(self._module.__name__, name, is_alias=False)
            with _LOCK:
                if name in _ids:  # not unregistered meanwhile
                    vars(self._module)[name] = kind
                    _undoings.append(lambda: self._remove(name, kind))
            return kind
        if self._previous is not None:
            return self._previous(name)
        text = f"module {self._module.__name__!r} has no attribute {name!r}"
        raise AttributeError(text, name=name, obj=self._module)

    def _remove(self, name: str, kind: Any) -> None:
        if vars(self._module).get(name) is kind:
            del vars(self._module)[name]

    def _undo(self) -> None:
        if vars(self._module).get("__getattr__") is self:
            _set(vars(self._module), "__getattr__", self._previous)


def _replace(module: ModuleType, name: str) -> None:
    """Put a class in the place of another, also where `from ccxt.binance import binance` looks."""
    kind = _class_of(module.__name__, name, is_alias=True)
    namespace = vars(module)
    original = namespace.get(name)
    if original is not kind:
        kind.replaced = original
        namespace[name] = kind
        _undoings.append(lambda: _set(namespace, name, original) if namespace.get(name) is kind else None)
    path = f"{module.__name__}.{name}"
    real = sys.modules.get(path)
    if real is None or vars(real).get(name) is kind:
        return
    # Its own functions, and those of classes derived from it, look their class up in the real module.
    front = ModuleType(path, real.__doc__)
    vars(front).update({**vars(real), name: kind})
    sys.modules[path] = front

    def undo_front() -> None:
        if sys.modules.get(path) is front:
            sys.modules[path] = real

    _undoings.append(undo_front)


def _set(namespace: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        namespace.pop(name, None)
    else:
        namespace[name] = value


def _class_of(module: str, name: str, is_alias: bool) -> Any:
    """The class of an id: blocking in `ccxt`, with coroutines and streams in the others."""
    key = (module != CCXT, name)
    kind = _classes.get(key)
    if kind is None:
        made = _make_class(module, name, is_alias)
        with _LOCK:
            kind = _classes.setdefault(key, made)
    return kind


def _make_class(module: str, name: str, is_alias: bool) -> Any:
    kind = _driver_class(module)
    if is_alias:
        from .exchange.served_id import served_as

        return served_as(kind, name, _ASYNC if module != CCXT else CCXT)
    if name == "oms":
        return kind

    def describe(self: Any) -> Any:
        """ccxt's description of the class; no I/O."""
        return self.deep_extend(kind.describe(self), {"id": name})

    return type(name, (kind,), {"describe": describe, "__module__": module})


def _driver_class(module: str) -> Any:
    if module == CCXT:
        from .exchange._sync import OmsCcxtExchange

        return OmsCcxtExchange
    from .exchange.pro import OmsCcxtExchange as OmsCcxtProExchange

    return OmsCcxtProExchange
