"""Run CUDA kernels without a GPU: slowly, thread by thread, with g++.

A kernel is compiled as C++. The threads of a block are fibers that take
turns, first to last and then last to first: each runs until its next
__syncthreads(). So what a kernel computes can be tested anywhere, though not
whether it is quick; and where one thread reads what another writes, it shows,
unless both orders happen to give the same.
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
#include <math.h>
#include <ucontext.h>
#define __global__
#define __device__
#define __shared__ static
static int min(int a, int b) { return a < b ? a : b; }
static struct { unsigned x, y, z; } threadIdx, blockIdx, blockDim, gridDim;
static ucontext_t scheduler, fibers[256];
static char stacks[256][1 << 16], ended[256];
static unsigned current;
static void (*body)();
static void __syncthreads() { swapcontext(&fibers[current], &scheduler); }
static void fiber() {
    body();
    ended[current] = 1;
    swapcontext(&fibers[current], &scheduler);
}
static void run_block() {
    unsigned n = blockDim.x * blockDim.y;
    for (unsigned i = 0; i < n; i++) {
        getcontext(&fibers[i]);
        fibers[i].uc_stack.ss_sp = stacks[i];
        fibers[i].uc_stack.ss_size = sizeof stacks[i];
        makecontext(&fibers[i], fiber, 0);
        ended[i] = 0;
    }
    bool forwards = true;
    for (bool alive = true; alive; forwards = !forwards) {
        alive = false;
        for (unsigned i = 0; i < n; i++) {
            current = forwards ? i : n - 1 - i;
            if (!ended[current]) {
                threadIdx = {current % blockDim.x, current / blockDim.x, 0};
                swapcontext(&scheduler, &fibers[current]);
                alive |= !ended[current];
            }
        }
    }
}
extern "C" void run(const unsigned *grid, const unsigned *block) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++)
                run_block();
}
"""
KERNEL = re.compile(r'extern "C" __global__ void (\w+)\((.*?)\)', re.DOTALL)


@functools.cache
def library(code):
    """Compile the kernel in code: set takes its arguments, run runs it."""
    path = Path(FOLDER.name, hashlib.sha256(code.encode()).hexdigest()[:16])
    code = subprocess.run(["g++", "-E", "-P", "-x", "c++", "-"], input=code,
                          text=True, capture_output=True, check=True).stdout
    (name, parameters), = KERNEL.findall(code)
    parameters = parameters.split(",")
    names = [re.search(r"\w+$", parameter)[0] for parameter in parameters]
    # as variables, since the threads of a block share them
    kept = "".join(f"static {parameter.strip()[:-len(its_name)]} kept_"
                   f"{its_name};\n" for parameter, its_name in
                   zip(parameters, names))
    path.with_suffix(".cpp").write_text(f"""{HEAD}{code}
{kept}
static void call() {{ {name}({', '.join(f'kept_{n}' for n in names)}); }}
extern "C" void set({', '.join(parameters)}) {{
    {' '.join(f'kept_{n} = {n};' for n in names)}
    body = call;
}}
""")
    # not gnu-unique: else all libraries would share one `static` tile
    subprocess.run(["g++", "-std=c++17", "-O0", "-w", "-shared", "-fPIC",
                    "-fno-gnu-unique", path.with_suffix(".cpp"), "-o",
                    path.with_suffix(".so")], check=True)
    return ctypes.CDLL(path.with_suffix(".so"))


def function(code, name):
    """Return a kernel as CuPy's RawModule would: call it with NumPy arrays."""
    kernel = library(code)

    def launch(grid, block, args):
        assert block[2] == 1 and block[0] * block[1] <= 256
        sizes = ctypes.c_uint * 3
        kernel.set(*map(argument, args))
        kernel.run(sizes(*grid), sizes(*block))
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
