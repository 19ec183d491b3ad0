"""Run CUDA kernels without a GPU: slowly, thread by thread, with g++.

A kernel is compiled as C++. The threads of a block are fibers that take
turns: each runs until its next __syncthreads(). So what a kernel computes can
be tested anywhere, though not whether it is quick; and as no two threads run
at once, a missing __syncthreads() is seen only if the order matters here.
"""
import ctypes
import functools
import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

AVAILABLE = shutil.which("g++") is not None
FOLDER = tempfile.TemporaryDirectory(prefix="minivae_kernels_")

HEAD = r"""
#include <ucontext.h>
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>
#define __global__
#define __device__
#define __shared__ static
using std::min;
using std::sqrt;
struct Dim { unsigned x, y, z; };
static Dim threadIdx, blockIdx, blockDim, gridDim;
static ucontext_t scheduler;
static std::vector<ucontext_t> fibers;
static std::vector<char> ended;
static unsigned current;
static std::function<void()> body;
static void __syncthreads() { swapcontext(&fibers[current], &scheduler); }
static void fiber() {
    body();
    ended[current] = 1;
    swapcontext(&fibers[current], &scheduler);
}
static void run_block() {
    unsigned n = blockDim.x * blockDim.y, size = 1 << 16;
    static std::vector<char> stacks;
    stacks.resize(size_t(n) * size);
    fibers.resize(n);
    ended.assign(n, 0);
    for (unsigned i = 0; i < n; i++) {
        getcontext(&fibers[i]);
        fibers[i].uc_stack.ss_sp = &stacks[size_t(i) * size];
        fibers[i].uc_stack.ss_size = size;
        makecontext(&fibers[i], fiber, 0);
    }
    for (bool alive = true; alive;) {
        alive = false;
        for (current = 0; current < n; current++)
            if (!ended[current]) {
                threadIdx = {current % blockDim.x, current / blockDim.x, 0};
                swapcontext(&scheduler, &fibers[current]);
                alive |= !ended[current];
            }
    }
}
static void run(const unsigned *grid, const unsigned *block,
                std::function<void()> kernel) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    body = kernel;
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++)
                run_block();
}
"""
KERNEL = re.compile(r'extern "C" __global__ void (\w+)\((.*?)\)', re.DOTALL)


@functools.cache
def library(code):
    """Compile kernels, each with an entry run_NAME(grid, block, ...)."""
    entries = []
    path = Path(FOLDER.name, hashlib.sha256(code.encode()).hexdigest()[:16])
    code = subprocess.run(["g++", "-E", "-P", "-x", "c++", "-"], input=code,
                          text=True, capture_output=True, check=True).stdout
    for name, parameters in KERNEL.findall(code):
        names = re.findall(r"(\w+)\s*(?:,|$)", parameters)
        entries.append(f'extern "C" void run_{name}(const unsigned *grid, '
                       f"const unsigned *block, {parameters}) {{ run(grid, "
                       f"block, [=] {{ {name}({', '.join(names)}); }}); }}")
    path.with_suffix(".cpp").write_text("\n".join([HEAD, code, *entries]))
    # not gnu-unique: else all libraries would share one `static` tile
    subprocess.run(["g++", "-std=c++17", "-O0", "-w", "-shared", "-fPIC",
                    "-fno-gnu-unique", path.with_suffix(".cpp"), "-o",
                    path.with_suffix(".so")], check=True)
    return ctypes.CDLL(path.with_suffix(".so"))


def function(code, name):
    """Return a kernel as CuPy's RawModule would: call it with NumPy arrays."""
    entry = library(code)[f"run_{name}"]

    def launch(grid, block, args):
        sizes = (ctypes.c_uint * 3)
        entry(sizes(*grid), sizes(*block), *map(argument, args))
    return launch


def argument(value):
    """Return what a kernel gets for an array or a number."""
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, np.uint64):                         # a null pointer
        return ctypes.c_void_p(int(value))
    kinds = {np.int32: ctypes.c_int, np.float32: ctypes.c_float,
             np.float64: ctypes.c_double}
    if type(value) in kinds:
        return kinds[type(value)](value)
    raise TypeError(f"a kernel was given {value!r}")
