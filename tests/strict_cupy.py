"""A stand-in for CuPy, stricter than the original: for tests without a GPU.

It computes with NumPy, and so differs from CuPy in nothing but speed where
code is right. Where code is wrong it raises, as CuPy does (or silently does
something else): a NumPy array mixed with one of its own, an implicit
conversion, a name that CuPy does not have. Reductions give arrays of no
axes, as on a GPU, not numbers. In cupy.fuse it allows what CuPy traces, and
no more. And it counts what a GPU would be asked to do. cupy_names.json has
the names that CuPy has; test_cupy.py compares them with the real one where
that is installed.
"""
import contextlib
import json
import operator
import sys
import time
import types
from pathlib import Path

import numpy as np

import cuda_on_cpu

NAMES = json.loads((Path(__file__).parent / "cupy_names.json").read_text())
MODULE_NAMES = set(NAMES["cupy"].split())
ARRAY_NAMES = set(NAMES["ndarray"].split())
ONLY_VIEWS = {"empty", "reshape", "ravel", "transpose"}    # no kernel is run


def wrap(value):
    """Turn what NumPy gave into what CuPy would have given."""
    if isinstance(value, (np.ndarray, np.generic)):
        kind = Placeholder if StrictCupy.fusing else ndarray
        return kind(np.asarray(value))
    if isinstance(value, (tuple, list)):
        return type(value)(map(wrap, value))
    return value


def compute(function, *args, **kwargs):
    """Call NumPy; while a graph is recorded, note how to do it again."""
    def now():
        return function(*map(unwrap, args),
                        **{k: unwrap(v) for k, v in kwargs.items()})
    result = wrap(now())
    if StrictCupy.graph is not None:
        def again():
            new = now()
            for old, value in (zip(result, new) if isinstance(result, tuple)
                               else [(result, new)]):
                if isinstance(old, ndarray):
                    old._a[...] = value
        StrictCupy.graph.append(again)
    return result


def unwrap(value):
    """Turn an argument into NumPy's; refuse what CuPy would not take."""
    if isinstance(value, ndarray):
        return value._a
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}: a NumPy array was "
                        "given to CuPy")
    if isinstance(value, (tuple, list)):
        return type(value)(map(unwrap, value))
    return value


class ndarray:
    """Plays cupy.ndarray."""

    __module__ = "cupy"
    __array_ufunc__ = None             # numpy_array + this one: TypeError
    fetched = 0                        # how often the CPU has asked for values

    def __init__(self, a):
        self._a = a

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed."
                        " Please use `.get()`")

    def get(self):
        ndarray.fetched += 1
        return self._a.copy()

    @property
    def data(self):
        return types.SimpleNamespace(ptr=self._a.ctypes.data)

    def __getattr__(self, name):
        if name not in ARRAY_NAMES:
            raise AttributeError(f"cupy.ndarray has no {name}")
        value = getattr(self._a, name)
        if not callable(value):
            return wrap(value)

        def method(*args, **kwargs):
            launch(name)
            return compute(value, *args, **kwargs)
        return method

    def __getitem__(self, index):
        return wrap(self._a[unwrap(index)])

    def __setitem__(self, index, value):
        launch("copy")
        compute(self._a.__setitem__, index, value)

    def __len__(self):
        return len(self._a)

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    def __bool__(self):
        return bool(self.get())


def _operator(name):
    plain = name.removeprefix("i") if name in (
        "iadd", "isub", "imul", "itruediv") else name

    def method(self, *others):
        launch(name)
        refuse_to_record(name)
        result = compute(getattr(operator, f"__{name}__"), self, *others)
        return result if name == plain else self        # in place: x += y

    def reflected(self, other):
        launch(name)
        refuse_to_record(name)
        return compute(getattr(operator, f"__{name}__"), other, self)
    return method, reflected


for _name in ("add sub mul truediv floordiv mod pow matmul lt le gt ge eq ne "
              "and or neg abs iadd isub imul itruediv").split():
    _method, _reflected = _operator(_name)
    setattr(ndarray, f"__{_name}__", _method)
    if _name in "add sub mul truediv pow matmul".split():
        setattr(ndarray, f"__r{_name}__", _reflected)


class Placeholder(ndarray):
    """What cupy.fuse gives to a function: it has operators, and no more."""

    __module__ = "cupy"

    def __getattr__(self, name):
        raise NotImplementedError(f"{name} was asked for inside cupy.fuse")

    def refuse(self, *_):
        raise TypeError("this was asked for inside cupy.fuse")

    __abs__ = __getitem__ = __setitem__ = __len__ = __matmul__ = get = refuse


def refuse_to_record(name):
    """A product of matrices is cuBLAS's, which CuPy does not let record."""
    if name == "matmul" and StrictCupy.graph is not None:
        raise NotImplementedError("calling cuBLAS API during stream capture "
                                  "is currently unsupported")


def launch(name):
    """Count a kernel; what happens inside cupy.fuse is part of one."""
    StrictCupy.launched += not (StrictCupy.fusing or name in ONLY_VIEWS)


class Event:
    """Plays cupy.cuda.Event, a mark in the order of the GPU's work."""

    def record(self):
        self.at = time.perf_counter()

    def synchronize(self):
        pass


class Stream:
    """Plays cupy.cuda.Stream, which can record what it is asked for."""

    def __init__(self, non_blocking=False):
        pass

    def synchronize(self):
        pass

    def begin_capture(self):
        StrictCupy.graph = []

    def end_capture(self):
        graph, StrictCupy.graph = StrictCupy.graph, None
        return types.SimpleNamespace(launch=lambda: [again()
                                                     for again in graph])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class RawModule:
    """Plays cupy.RawModule: kernels run on the CPU, slowly."""

    def __init__(self, code, options):
        self.code = code

    def get_function(self, name):
        kernel = cuda_on_cpu.function(self.code, name)

        def run(grid, block, args):
            launch(name)
            compute(lambda *args: kernel(grid, block, args), *args)
        return run


class StrictCupy(types.ModuleType):
    """Plays the module cupy: each of its functions is NumPy's."""

    ndarray = ndarray
    sent = 0                           # arrays that came from NumPy
    launched = 0                       # kernels
    fusing = False
    graph = None                       # what is recorded, while it is
    RawModule = RawModule

    def __init__(self):
        super().__init__("cupy")
        runtime = types.SimpleNamespace(
            getDeviceProperties=lambda device: {"name": b"Stand-in"})
        self.__version__ = NAMES["version"]
        self.cuda = types.SimpleNamespace(
            runtime=runtime, Event=Event, Stream=Stream,
            MemoryPool=lambda: types.SimpleNamespace(malloc=None),
            using_allocator=lambda malloc: contextlib.nullcontext(),
            get_current_stream=Stream, Device=lambda: types.SimpleNamespace(
                attributes={"MultiProcessorCount": 2}),
            get_elapsed_time=lambda start, stop: 1e3 * (stop.at - start.at))
        self.lib = types.SimpleNamespace(stride_tricks=types.SimpleNamespace(
            as_strided=lambda x, shape, strides: wrap(
                np.lib.stride_tricks.as_strided(unwrap(x), shape, strides))))

    @staticmethod
    def asarray(a, dtype=None):
        """Copy a NumPy array to "the GPU": one of the two ways across."""
        StrictCupy.sent += not isinstance(a, ndarray)
        a = a._a if isinstance(a, ndarray) else a
        return ndarray(np.array(a, dtype))

    @staticmethod
    def asnumpy(a):
        """Copy back from "the GPU"."""
        return a.get()

    @staticmethod
    def fuse(function):
        """Run an elementwise function on placeholders, as one kernel."""
        def run(*args):
            if StrictCupy.fusing:                       # fused in a fused one
                return function(*args)
            launch("fused")
            return compute(traced, *args)

        def traced(*args):
            recorded, StrictCupy.graph = StrictCupy.graph, None
            StrictCupy.fusing = True
            try:
                result = function(*(Placeholder(a) if isinstance(
                    a, np.ndarray) else a for a in args))
            finally:
                StrictCupy.fusing, StrictCupy.graph = False, recorded
            return (tuple(r._a for r in result) if isinstance(result, tuple)
                    else result._a)
        return run

    def __getattr__(self, name):
        if name not in MODULE_NAMES:
            raise AttributeError(f"cupy has no {name}")
        value = getattr(np, name)
        if isinstance(value, type) or not callable(value):
            return value                                # float32, pi, newaxis

        def function(*args, **kwargs):
            launch(name)
            refuse_to_record(name)
            return compute(value, *args, **kwargs)
        return function


def install(monkeypatch):
    """Let `import cupy` find a fresh stand-in; return it."""
    cupy = StrictCupy()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return cupy
