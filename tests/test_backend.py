"""The array decides the backend, and a GPU counts only if it computes.

There is no GPU here: a stand-in plays each way in which CuPy can fail.
"""
import builtins
import subprocess
import sys
import types

import numpy as np
import pytest

from minivae import choose_device, conv, conv_vae, get_xp
from minivae.backend import move, to_numpy


class FakeArray(np.ndarray):
    """Plays cupy.ndarray: get() brings it to the CPU."""

    __module__ = "cupy"

    def get(self):
        return np.asarray(self)


def fake_cupy(asarray=lambda a: np.asarray(a).view(FakeArray)):
    properties = {"name": b"Stand-in 9000"}
    runtime = types.SimpleNamespace(
        getDeviceProperties=lambda device: properties)
    cupy = types.ModuleType("cupy")
    cupy.ndarray, cupy.asarray = FakeArray, asarray
    cupy.cuda = types.SimpleNamespace(runtime=runtime)
    return cupy


def importing(monkeypatch, result):
    """Let `import cupy` give the module result, or raise it."""
    real = builtins.__import__

    def fake_import(name, *args, **kwargs):
        if name == "cupy":
            if isinstance(result, Exception):
                raise result
            monkeypatch.setitem(sys.modules, "cupy", result)
            return result
        return real(name, *args, **kwargs)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(builtins, "__import__", fake_import)


def raising(error):
    def asarray(a):
        raise error
    return asarray


def wrong(a):
    return 2 * np.asarray(a).view(FakeArray)


FAILURES = {
    "not installed": (
        ModuleNotFoundError("No module named 'cupy'", name="cupy"),
        "CuPy is not installed"),
    "a part is missing": (
        ModuleNotFoundError("No module named 'fastrlock'", name="fastrlock"),
        "CuPy cannot be imported, No module named 'fastrlock'"),
    "a library is missing": (
        ImportError("libcublas.so.13: cannot open"),
        "CuPy cannot be imported, libcublas"),
    "import raises something else": (
        RuntimeError("odd"), "CuPy cannot be imported, odd"),
    "no driver": (
        fake_cupy(raising(RuntimeError("cudaErrorInsufficientDriver"))),
        "CuPy cannot compute, cudaErrorInsufficientDriver"),
    "no device": (
        fake_cupy(raising(RuntimeError("cudaErrorNoDevice"))),
        "CuPy cannot compute, cudaErrorNoDevice"),
    "the probe raises": (
        fake_cupy(raising(MemoryError("out of memory"))),
        "CuPy cannot compute, out of memory"),
    "the probe is wrong": (fake_cupy(wrong), "wrongly"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_falls_back_to_the_cpu_and_says_why(monkeypatch, failure):
    cupy, reason = FAILURES[failure]
    importing(monkeypatch, cupy)
    xp, line = choose_device("auto")
    assert xp is np
    assert line.startswith("cpu (no GPU: ") and reason in line
    assert "\n" not in line


@pytest.mark.parametrize("failure", FAILURES)
def test_a_demanded_gpu_that_does_not_work_is_an_error(monkeypatch, failure):
    cupy, reason = FAILURES[failure]
    importing(monkeypatch, cupy)
    with pytest.raises(RuntimeError, match="choose the device 'cpu'") as info:
        choose_device("gpu")
    assert reason in str(info.value)


def test_a_gpu_that_works_is_chosen(monkeypatch):
    cupy = fake_cupy()
    importing(monkeypatch, cupy)
    for device in "auto", "gpu":
        assert choose_device(device) == (cupy, "gpu (Stand-in 9000)")
    assert choose_device("cpu") == (np, "cpu")


def test_the_array_decides(monkeypatch):
    x = np.ones(3)
    assert get_xp(x) is np
    cupy = fake_cupy()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    gpu_x = move(x, cupy)
    assert get_xp(gpu_x) is cupy and get_xp(x) is np
    assert type(to_numpy(gpu_x)) is np.ndarray and to_numpy(x) is x
    assert move(x, np) is x


def test_another_device_is_refused():
    with pytest.raises(ValueError, match="device is 'tpu'; it can be 'auto'"):
        choose_device("tpu")


def test_help_shows_the_plain_function():
    for form in conv.correlate, conv.sum_pixels:
        assert form.__name__ == form.plain.__name__
        assert form.__doc__ == form.plain.__doc__ and form.__doc__


def test_import_is_light():
    # what takes time to import waits until it is needed
    code = ("import sys, minivae; print([m for m in ('matplotlib', 'scipy', "
            "'imageio', 'cupy', 'tqdm') if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True,
                         text=True, check=True).stdout
    assert out.strip() == "[]"


@pytest.mark.parametrize("device", [["cpu"], np.array(["cpu", "gpu"]), None,
                                    0])
def test_what_is_no_name_of_a_device_is_refused(device):
    with pytest.raises(ValueError, match="device is .*; it can be 'auto'"):
        choose_device(device)


def test_a_name_is_no_device():
    with pytest.raises(TypeError, match="the device is 'gpu', but numpy or "
                       "cupy was expected"):
        conv_vae((8, 8, 1), filters=2).to("gpu")
