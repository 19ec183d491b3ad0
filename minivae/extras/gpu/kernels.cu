// A convolution and its chain rule as three kernels: see kernels.py.
//
// All three are one product of matrices, out = a·b, in which a is im2col(x),
// or what takes its place for dx. That matrix is never written to memory: a
// block of threads gathers the part it needs straight from the images. The
// sizes in capitals are compiled in, so a division by one costs a few cheap
// instructions. T is float or double.

// ---- matrices that are gathered --------------------------------------------

__device__ bool is_below(int i, int end) {        // and not negative
    return unsigned(i) < unsigned(end);
}

struct Place {            // of a number in images: an offset, a row, a column.
    int offset, h, w;     // A row of a matrix gives one, a column another;
};                        // their sum is where the number is.

struct Stored {           // a matrix that lies in memory
    const T *numbers;
    int row_step, column_step;
    __device__ Place row(int i) const { return {i * row_step, 0, 0}; }
    __device__ Place column(int j) const { return {j * column_step, 0, 0}; }
    __device__ bool has(Place, Place) const { return true; }
};

struct Windows {          // im2col(x): a row for each window, as in conv.py
    const T *numbers;     // x (N, H, W, C)
    __device__ Place row(int m) const {
        int n = m / (OW * OH), oh = m / OW % OH, ow = m % OW;
        int h = oh * SH - TOP, w = ow * SW - LEFT;
        return {((n * H + h) * W + w) * C, h, w};
    }
    __device__ Place column(int k) const {
        int i = k / (C * KW), j = k / C % KW, c = k % C;
        return {(i * W + j) * C + c, i, j};
    }
    __device__ bool has(Place r, Place c) const {            // or a zero
        return is_below(r.h + c.h, H) & is_below(r.w + c.w, W);
    }
};

struct Transposed {       // im2col(x)ᵀ
    const T *numbers;
    __device__ Place row(int k) const { return Windows{numbers}.column(k); }
    __device__ Place column(int m) const { return Windows{numbers}.row(m); }
    __device__ bool has(Place r, Place c) const {
        return Windows{numbers}.has(c, r);
    }
};

// Every SH-th row and SW-th pixel of an image make up a plane, the pixels at
// one place (a, b) within a stride. Kernel row i falls on it for every window,
// or for none: i = a0, a0 + SH, ... So pixel (h, w) of a plane is a sum over
// those positions, of the window that has it there, times the kernel.
struct Plane {
    const T *numbers;     // dy (N, OH, OW, F)
    int a, b;
    __device__ int a0() const { return (a + TOP) % SH; }
    __device__ int b0() const { return (b + LEFT) % SW; }
    __device__ int rows() const {
        return H % SH ? (H - a + SH - 1) / SH : H / SH;
    }
    __device__ int columns() const {
        return W % SW ? (W - b + SW - 1) / SW : W / SW;
    }
    __device__ int positions_down() const { return (KH - a0() + SH - 1) / SH; }
    __device__ int positions() const { return (KW - b0() + SW - 1) / SW; }

    __device__ int pixel(int m) const {           // where it is in dx
        int h = m / columns() % rows() * SH + a, w = m % columns() * SW + b;
        int n = m / (columns() * rows());
        return ((n * H + h) * W + w) * C;
    }
    __device__ Place row(int m) const {           // the window of position a0
        int n = m / (columns() * rows());
        int oh = m / columns() % rows() + (a + TOP - a0()) / SH;
        int ow = m % columns() + (b + LEFT - b0()) / SW;
        return {((n * OH + oh) * OW + ow) * F, oh, ow};
    }
    __device__ Place position(int k) const {      // f, and p and q: strides
        int p = 0, q = k / F, n = positions();    // after (a0, b0)
#pragma unroll
        for (int i = SH; i < KH; i += SH)         // sooner done than q / n
            if (q >= n) q -= n, p++;
        return {k % F, p, q};
    }
    __device__ Place column(int k) const {        // p strides on: p windows up
        auto [f, p, q] = position(k);
        return {f - (p * OW + q) * F, -p, -q};
    }
    __device__ bool has(Place r, Place c) const {
        return is_below(r.h + c.h, OH) & is_below(r.w + c.w, OW);
    }
};

struct PlaneKernel {      // w (KH, KW, C, F): what falls on a plane, transposed
    const T *numbers;
    Plane plane;
    __device__ Place row(int c) const { return {c * F, 0, 0}; }
    __device__ Place column(int k) const {
        auto [f, p, q] = plane.position(k);
        int i = plane.a0() + SH * p, j = plane.b0() + SW * q;
        return {(i * KW + j) * C * F + f, 0, 0};
    }
    __device__ bool has(Place, Place) const { return true; }
};

// ---- what becomes of a sum -------------------------------------------------

struct Finish {           // out = max(sum + bias, 0) · (mask > 0): what is asked
    T *out;
    const T *bias, *mask; // null for none
    int relu, parts, stride;

    __device__ T last(T sum, int i, int channel) const {
        if (bias) sum += bias[channel];
        if (relu && sum < 0) sum = 0;
        return mask ? sum * T(mask[i] > 0) : sum;
    }
    __device__ void operator()(T sum, int part, int i, int channel) const {
        if (parts > 1) out[part * stride + i] = sum;     // see add_parts
        else out[i] = last(sum, i, channel);
    }
};

// ---- the product -----------------------------------------------------------
//
// A block of threads computes a tile of out, TILE_M by TILE_N; each thread
// EACH_M by EACH_N numbers of it, in registers. The sum goes TILE_K terms at a
// time: those of a and of b are fetched from memory once for the whole block,
// into shared memory, where each is read by many threads.

constexpr unsigned THREADS = TILE_M / EACH_M * (TILE_N / EACH_N);
constexpr int GAP = 16 / sizeof(T);    // so that columns fall on other banks

__device__ T zero = 0;

// ROWS by TILE_K numbers of a matrix, on their way: each thread has a share.
// Neighbouring threads should read neighbouring numbers: ALONG_ROWS says that
// a row's neighbour in memory is the next row.
template <class Matrix, unsigned ROWS, bool ALONG_ROWS> struct Share {
    static constexpr unsigned COUNT = (ROWS * TILE_K + THREADS - 1) / THREADS;
    Place rows[COUNT];
    T numbers[COUNT];

    static __device__ unsigned nth(unsigned s) {
        return threadIdx.x + s * THREADS;
    }
    static __device__ unsigned row(unsigned s) {
        return ALONG_ROWS ? nth(s) % ROWS : nth(s) / TILE_K;
    }
    static __device__ unsigned column(unsigned s) {
        return ALONG_ROWS ? nth(s) / ROWS : nth(s) % TILE_K;
    }
    __device__ Share(const Matrix &matrix, int first) {
#pragma unroll
        for (unsigned s = 0; s < COUNT; s++)
            rows[s] = matrix.row(first + row(s));
    }
    __device__ void fetch(const Matrix &matrix, int left, int k, int end) {
#pragma unroll
        for (unsigned s = 0; s < COUNT; s++) {
            Place there = matrix.column(k + column(s));
            bool has = (int(row(s)) < left) & (k + int(column(s)) < end)
                & matrix.has(rows[s], there);
            int offset = rows[s].offset + there.offset;
            numbers[s] = *(has ? matrix.numbers + offset : &zero);
        }
    }
    __device__ void put(T (*tile)[ROWS + GAP]) const {
#pragma unroll
        for (unsigned s = 0; s < COUNT; s++)
            if (nth(s) < ROWS * TILE_K) tile[column(s)][row(s)] = numbers[s];
    }
};

// out[m, n] = Σ_k a[m, k]·b[n, k], for M rows and N columns, and those k that
// are this block's part of K. place(m) is where row m of out lies.
template <bool A_ALONG_ROWS, bool B_ALONG_ROWS, class A, class B, class Out>
__device__ void product(const A &a, const B &b, int M, int N, int K, int part,
                        const Out &place, const Finish &finish) {
    alignas(16) __shared__ T tile_a[TILE_K][TILE_M + GAP];
    alignas(16) __shared__ T tile_b[TILE_K][TILE_N + GAP];
    int first_m = blockIdx.x * TILE_M, first_n = blockIdx.y * TILE_N;
    if (first_m >= M) return;              // of a plane smaller than others
    int length = (K + finish.parts - 1) / finish.parts;
    int k = part * length, end = min(K, k + length);
    int my_m = threadIdx.x / (TILE_N / EACH_N) * EACH_M;
    int my_n = threadIdx.x % (TILE_N / EACH_N) * EACH_N;

    T sums[EACH_M][EACH_N] = {};
    Share<A, TILE_M, A_ALONG_ROWS> share_a(a, first_m);
    Share<B, TILE_N, B_ALONG_ROWS> share_b(b, first_n);
    share_a.fetch(a, M - first_m, k, end);
    share_b.fetch(b, N - first_n, k, end);
    for (; k < end; k += TILE_K) {
        share_a.put(tile_a);
        share_b.put(tile_b);
        __syncthreads();
        if (k + TILE_K < end) {            // on their way while we compute
            share_a.fetch(a, M - first_m, k + TILE_K, end);
            share_b.fetch(b, N - first_n, k + TILE_K, end);
        }
#pragma unroll
        for (int t = 0; t < TILE_K; t++) {
            T mine_a[EACH_M], mine_b[EACH_N];
#pragma unroll
            for (int m = 0; m < EACH_M; m++) mine_a[m] = tile_a[t][my_m + m];
#pragma unroll
            for (int n = 0; n < EACH_N; n++) mine_b[n] = tile_b[t][my_n + n];
#pragma unroll
            for (int m = 0; m < EACH_M; m++)
#pragma unroll
                for (int n = 0; n < EACH_N; n++)
                    sums[m][n] += mine_a[m] * mine_b[n];
        }
        __syncthreads();                   // before the tiles are overwritten
    }
#pragma unroll
    for (int m = 0; m < EACH_M; m++) {
        int row = first_m + my_m + m, start = place(row);
        if (row >= M) break;
#pragma unroll
        for (int n = 0; n < EACH_N; n++) {
            int column = first_n + my_n + n;
            if (column < N) finish(sums[m][n], part, start + column, column);
        }
    }
}

struct Rows {             // row m of a matrix of so many columns
    int columns;
    __device__ int operator()(int m) const { return m * columns; }
};

struct Pixels {
    Plane plane;
    __device__ int operator()(int m) const { return plane.pixel(m); }
};

#if defined CORRELATE

// y = im2col(x)·w
__device__ void compute(const T *x, const T *w, int N, Finish finish) {
    product<C == 1, true>(Windows{x}, Stored{w, 1, F}, N * OH * OW, F,
                          KH * KW * C, blockIdx.z, Rows{F}, finish);
}

#elif defined CORRELATE_DW

// dw = im2col(x)ᵀ·dy
__device__ void compute(const T *x, const T *dy, int N, Finish finish) {
    product<C != 1, true>(Transposed{x}, Stored{dy, 1, F}, KH * KW * C, F,
                          N * OH * OW, blockIdx.z, Rows{F}, finish);
}

#elif defined CORRELATE_DX

// dx = col2im(dy·wᵀ), plane by plane: each number of dx is written once
__device__ void compute(const T *dy, const T *w, int N, Finish finish) {
    int parts = finish.parts, nth = blockIdx.z / parts;
    Plane plane{dy, nth / SW, nth % SW};
    product<F == 1, F == 1>(
        plane, PlaneKernel{w, plane}, N * plane.rows() * plane.columns(), C,
        plane.positions_down() * plane.positions() * F, blockIdx.z % parts,
        Pixels{plane}, finish);
}

#endif

#if defined CORRELATE || defined CORRELATE_DW || defined CORRELATE_DX

extern "C" __global__ void kernel(
        const T *a, const T *b, int N, T *out, const T *bias, const T *mask,
        int relu, int parts, int stride) {
    compute(a, b, N, Finish{out, bias, mask, relu, parts, stride});
}

#endif

// ---- sums of parts ---------------------------------------------------------

#if defined ADD_PARTS

// Where the sum over k was cut into parts, so that more blocks share the work
extern "C" __global__ void kernel(
        const T *sums, int size, int channels, T *out, const T *bias,
        const T *mask, int relu, int parts) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    T sum = 0;
    for (int part = 0; part < parts; part++) sum += sums[part * size + i];
    out[i] = Finish{out, bias, mask, relu, 1, 0}.last(sum, i, i % channels);
}

#elif defined SUM_ROWS

// db: each block sums its part of the rows of a (rows, columns)
extern "C" __global__ void kernel(const T *a, int rows, int columns, T *out) {
    __shared__ T sums[256];                // of blockDim.x columns
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    T sum = 0;
    if (column < columns)
        for (int row = blockIdx.y * blockDim.y + threadIdx.y; row < rows;
             row += gridDim.y * blockDim.y)
            sum += a[row * columns + column];
    int mine = threadIdx.y * blockDim.x + threadIdx.x;
    sums[mine] = sum;
    for (int half = blockDim.y / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.y < half) sums[mine] += sums[mine + half * blockDim.x];
    }
    if (threadIdx.y == 0 && column < columns)
        out[blockIdx.y * columns + column] = sums[mine];
}

#elif defined ADD_GRADIENTS

// All gradients at once: number i belongs to the parameter whose column of
// the table says where they end, how many they are, where their sums begin,
// and of how many parts they are
extern "C" __global__ void kernel(const T *sums, const int *table, int count,
                                  T *out) {
    const int *ends = table, *sizes = ends + count, *starts = sizes + count,
              *parts = starts + count;
    int i = blockIdx.x * blockDim.x + threadIdx.x, which = 0;
    if (i >= ends[count - 1]) return;
    while (i >= ends[which]) which++;
    const T *first = sums + starts[which] + i - ends[which] + sizes[which];
    T sum = 0;
    for (int part = 0; part < parts[which]; part++)
        sum += first[part * sizes[which]];
    out[i] = sum;
}

#elif defined ADAM

// optim.py's update of all parameters; they end at ends[0], ends[1], ... of
// the vectors g, m and v
extern "C" __global__ void kernel(
        T *const *params, const int *ends, int count, const T *g, T *m, T *v,
        T one_minus_beta_1, T one_minus_beta_2, T rate, T epsilon) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, which = 0;
    if (i >= ends[count - 1]) return;
    while (i >= ends[which]) which++;
    m[i] += one_minus_beta_1 * (g[i] - m[i]);
    v[i] += one_minus_beta_2 * (g[i] * g[i] - v[i]);
    params[which][i - (which ? ends[which - 1] : 0)] -=
        rate * m[i] / (sqrt(v[i]) + epsilon);
}

#endif
