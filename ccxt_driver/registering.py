"""`register()`: the driver's classes in ccxt's own modules, under an id of their own and in place of others.

ccxt's three modules are loaded by programs in any order, at any time and by several threads, so what
is registered is put into each as soon as it has been executed, before the `import` of the program
returns. Nothing is imported then: a class is loaded when a program first asks the module for it.
"""

from __future__ import annotations

import importlib
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
_FREQTRADE: Final = "freqtrade.exchange"
_LISTS: Final = ("exchanges", "__all__")
_NOTHING: Final = object()
_LOCK: Final = threading.RLock()
_LOADING: Final = threading.local()
_ids: list[str] = []
_aliases: list[str] = []
_undoings: list[Callable[[], None]] = []
_classes: dict[tuple[str, str], Any] = {}
_driver_classes: dict[str, Any] = {}


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
    _check(id, aliases)
    for name in (_ASYNC, _PRO):
        if name in sys.modules:  # it may be in the middle of its import, by another thread
            importlib.import_module(name)
    at_import(id, aliases)
    put_into_loaded()


def unregister() -> None:
    """Undo every `register()`: the modules, their lists and the classes in them are as they were."""
    with _LOCK:
        _ids.clear()
        _aliases.clear()
        while _undoings:
            _undoings.pop()()
        if _FINDER in sys.meta_path:
            sys.meta_path.remove(_FINDER)


def at_import(id: str, aliases: Sequence[str]) -> None:
    """Have classes put into each module of ccxt when it is imported; loads nothing, checks nothing yet.

    :raises ImportError: by the import of ccxt, when it has no such exchange
    """
    with _LOCK:
        _ids.extend({id} - set(_ids))
        _aliases.extend(name for name in dict.fromkeys(aliases) if name not in _aliases)
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)


def put_into_loaded() -> None:
    """Put what is registered into those of ccxt's modules that are there already.

    :raises ImportError: ccxt has no such exchange
    """
    for name in MODULES:
        module = sys.modules.get(name)
        if module is not None and "exchanges" in vars(module):  # else it is being executed
            _put_into(module)
    _tell_freqtrade()


def _check(id: Any, aliases: Sequence[Any]) -> None:
    """Refuse ids that cannot be meant.

    :raises BadRequest: naming the argument
    """
    import ccxt

    if not isinstance(id, str) or not id.isidentifier() or id != id.lower():
        raise ccxt.BadRequest(f"id: expected a word in small letters, got {id!r}"[:200])
    if id not in _ids and (id in ccxt.exchanges or hasattr(ccxt, id)):
        raise ccxt.BadRequest(f"id: ccxt has {id!r} already; alias=[{id!r}] serves it by the OMS")
    for name in aliases:
        if not isinstance(name, str) or name in _ids or name == id or name not in ccxt.exchanges:
            raise ccxt.BadRequest(f"alias: ccxt has no other exchange {name!r}"[:200])


# ------------------------------------------------------------------------------- when a module is imported


class _Finder:
    """Lets the ordinary finders find the modules, and has a word when they are executed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Of the three modules, of those with the streaming classes, and of freqtrade's."""
        if name not in MODULES and name != _FREQTRADE and not name.startswith(f"{_PRO}."):
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
        if not module.__name__.startswith(_PRO):
            self._own.exec_module(module)
        else:
            self._exec_with_real_bases(module)
        if module.__name__ in MODULES:
            _put_into(module)
        if module.__name__ in (CCXT, _FREQTRADE):
            _tell_freqtrade()

    def _exec_with_real_bases(self, module: ModuleType) -> None:
        """Streaming classes are derived from the real ones of `ccxt.async_support`, replaced or not."""
        before = getattr(_LOADING, "streaming_classes", False)
        _LOADING.streaming_classes = True
        try:
            self._own.exec_module(module)
        finally:
            _LOADING.streaming_classes = before


_FINDER: Final = _Finder()


def _put_into(module: ModuleType) -> None:
    """Put what is registered into a module that was executed; imports nothing.

    :raises ImportError: an exchange is unknown, so the one that is meant would be the real one
    """
    with _LOCK:
        known = vars(module)["exchanges"]
        unknown = [name for name in _aliases if name not in known]
        if unknown and module.__name__ == CCXT:
            raise ImportError(f"CCXT_OMS_OVERRIDE_EXCHANGES: ccxt has no exchange {', '.join(unknown)}")
        for name in _ids:
            if name not in vars(module):  # else a later ccxt has it
                _serve(module, name, is_alias=False)
                _list(module, name)
        for name in _aliases:
            _serve(module, name, is_alias=True)
            _list(module, name)
            _serve_by_path(module, name)


def _tell_freqtrade() -> None:
    """Put a class into `freqtrade.exchange` for each id, where freqtrade looks for `id.title()`.

    The module may be in the middle of its own import, which is what imports ccxt.
    """
    module = sys.modules.get(_FREQTRADE)
    if module is None:
        return
    with _LOCK:
        for name in (*_ids, *_aliases):
            _serve(module, name.title(), is_alias=False, kind=_ServedToFreqtrade)


# --------------------------------------------------------------------------------- in the place of a class


class _Front(ModuleType):
    """A module some of whose attributes are `_Served`; each such module has a subclass of its own."""

    def __dir__(self) -> list[str]:
        served = [name for name, value in vars(type(self)).items() if isinstance(value, _Served)]
        return sorted({*super().__dir__(), *served})


class _Served:
    """An attribute of a module: one of our classes, loaded when somebody asks for it."""

    def __init__(self, name: str, is_alias: bool, real: Any) -> None:
        self._name = name
        self._is_alias = is_alias
        self.real = real
        """What was there before, or `_NOTHING`."""
        self.assigned = _NOTHING
        """What a program has put there since."""

    def __get__(self, module: ModuleType | None, kind: type) -> Any:
        if module is None:
            return self
        return self._load(module) if self.assigned is _NOTHING else self.assigned

    def _load(self, module: ModuleType) -> Any:
        if self._is_alias and getattr(_LOADING, "streaming_classes", False) and self.real is not _NOTHING:
            return self.real
        is_blocking = module.__name__ in (CCXT, f"{CCXT}.{self._name}")
        return _class_of(CCXT if is_blocking else _ASYNC, self._name, self._is_alias, self.real)

    def _is_ours(self, value: Any) -> bool:
        return any(value is kind for kind in list(_classes.values()))

    def __set__(self, module: ModuleType, value: Any) -> None:
        self.assigned = _NOTHING if self._is_ours(value) else value  # ours: put back by who had replaced it

    def __delete__(self, module: ModuleType) -> None:
        if self.assigned is not _NOTHING:
            self.assigned = _NOTHING
            return
        raise AttributeError(f"{self._name} is served by the OMS: ccxt_driver.unregister() takes it away")


class _ServedToFreqtrade(_Served):
    """The class for freqtrade; also in the place of that for a venue, which calls functions of the venue."""

    def _load(self, module: ModuleType) -> Any:
        from .freqtrade_support import Oms

        return Oms

    def _is_ours(self, value: Any) -> bool:
        return getattr(value, "__module__", None) == f"{__package__}.freqtrade_support"


def _serve(module: ModuleType, name: str, is_alias: bool, kind: type[_Served] = _Served) -> None:
    """Make an attribute of a module one of our classes.

    The real one is taken out of the module's namespace: nobody must find it there.
    """
    namespace = vars(module)
    served = vars(type(module)).get(name)
    if isinstance(served, _Served):  # the module was executed anew, or has come farther
        found = namespace.pop(name, _NOTHING)
        if served.real is _NOTHING:
            served.real = found
        return
    _make_front(module)
    served = kind(name, is_alias, namespace.pop(name, _NOTHING))
    setattr(type(module), name, served)
    _undoings.append(partial(_put_back, module, name, served))


def _make_front(module: ModuleType) -> None:
    before = type(module)
    if not issubclass(before, _Front):
        module.__class__ = type("module", (_Front,), {"__module__": __name__})
        _undoings.append(partial(setattr, module, "__class__", before))


def _put_back(module: ModuleType, name: str, served: _Served) -> None:
    delattr(type(module), name)
    value = served.real if served.assigned is _NOTHING else served.assigned
    if value is not _NOTHING:
        vars(module)[name] = value


def _serve_by_path(module: ModuleType, name: str) -> None:
    """Serve an alias where `from ccxt.binance import binance` looks for it, too.

    The real module stays as it is: its own functions, and classes derived from its class, look there.
    """
    path = f"{module.__name__}.{name}"
    real = sys.modules.get(path)
    if real is None or isinstance(real, _Front):
        return
    front = ModuleType(path, real.__doc__)
    vars(front).update(vars(real))
    sys.modules[path] = front
    _undoings.append(partial(_put_module_back, path, front, real))
    _serve(front, name, is_alias=True)


def _put_module_back(path: str, front: ModuleType, real: ModuleType) -> None:
    if sys.modules.get(path) is front:
        sys.modules[path] = real


def _list(module: ModuleType, name: str) -> None:
    for which in _LISTS:
        listed = vars(module).get(which)
        if isinstance(listed, list) and name not in listed:
            listed.append(name)
            _undoings.append(partial(_unlist, listed, name))


def _unlist(listed: list[str], name: str) -> None:
    if name in listed:
        listed.remove(name)


# ------------------------------------------------------------------------------------------ the classes


def _class_of(module: str, name: str, is_alias: bool, real: Any) -> Any:
    """The class of an id, made once.

    :param module: `ccxt` for the blocking class, `ccxt.async_support` for that with coroutines and streams
    :param real: the class in whose place it is
    """
    kind = _classes.get((module, name))
    if kind is None:
        made = _make_class(module, name, is_alias)
        with _LOCK:
            kind = _classes.setdefault((module, name), made)
    if is_alias and real is not _NOTHING:
        kind.replaced = real
    return kind


def _make_class(module: str, name: str, is_alias: bool) -> Any:
    kind = _driver_class(module)
    if is_alias:
        from .exchange.served_id import served_as

        return served_as(kind, name, module)
    if name == "oms":
        return kind

    def describe(self: Any) -> Any:
        """ccxt's description of the class; no I/O."""
        return self.deep_extend(kind.describe(self), {"id": name})

    return type(name, (kind,), {"describe": describe, "__module__": module})


def serve_with(blocking: Any, streaming: Any) -> None:
    """Put other classes than the driver's own in from now on: subclasses of them.

    :param blocking: for `ccxt`
    :param streaming: for `ccxt.async_support` and `ccxt.pro`
    """
    with _LOCK:
        _classes.clear()
        _driver_classes.update({CCXT: blocking, _ASYNC: streaming})


def _driver_class(module: str) -> Any:
    if module in _driver_classes:
        return _driver_classes[module]
    if module == CCXT:
        from .exchange._sync import OmsCcxtExchange

        return OmsCcxtExchange
    from .exchange.pro import OmsCcxtExchange as OmsCcxtProExchange

    return OmsCcxtProExchange
