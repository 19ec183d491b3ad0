"use strict";
/* The decoder of a VAE, from codes to images, in plain JavaScript.

It does what minivae/layers.py and minivae/conv.py do, one image at a time:
the same layers, the same parameters, the same order of channels. An image is
a Float32Array of H·W·C numbers, row by row, channels last. A layer is what
minivae/extras/explorer/__init__.py says of it: its kind, its sizes, and where
its parameters begin in the one long vector of weights. */

class Decoder {
  constructor(layers, weights) {
    this.layers = layers.map((layer) => ({ ...layer }));
    for (const layer of this.layers) {
      if (!("at" in layer)) continue;                  // it has no parameters
      layer.w = weights.subarray(layer.at, layer.at + layer.sizeW);
      layer.b = weights.subarray(layer.at + layer.sizeW,
                                 layer.at + layer.sizeW + layer.sizeB);
    }
  }

  /* A code z (D numbers) -> the probability of ink in every pixel. */
  decode(z) {
    let x = Float32Array.from(z);
    for (const layer of this.layers) {
      x = { dense, relu, transpose }[layer.kind](x, layer);
    }
    return x.map((logit) => 1 / (1 + Math.exp(-logit)));       // the sigmoid
  }
}

/* y[j] = b[j] + Σᵢ x[i]·w[i,j] */
function dense(x, { w, b, units }) {
  const y = Float32Array.from(b);
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < units; j++) y[j] += x[i] * w[i * units + j];
  }
  return y;
}

/* y = max(x, 0) */
function relu(x) {
  return x.map((value) => (value > 0 ? value : 0));
}

/* A transposed convolution: each pixel x[p,q] paints a kernel of its size
   into y, at row p·SH and column q·SW, less the zeros that padding put in
   front; where kernels overlap, they add up. w is (KH, KW, F, C), as in
   Keras. See col2im in conv.py. */
function transpose(x, { w, b, kernel, strides, before, input, output }) {
  const [KH, KW] = kernel, [SH, SW] = strides, [top, left] = before;
  const [P, Q, C] = input, [H, W, F] = output;
  const y = new Float32Array(H * W * F);
  for (let pixel = 0; pixel < H * W; pixel++) y.set(b, pixel * F);
  for (let p = 0; p < P; p++) for (let q = 0; q < Q; q++) {
    for (let i = 0; i < KH; i++) for (let j = 0; j < KW; j++) {
      const row = p * SH + i - top, column = q * SW + j - left;
      if (row < 0 || row >= H || column < 0 || column >= W) continue;
      const to = (row * W + column) * F, from = (p * Q + q) * C;
      for (let f = 0; f < F; f++) {
        const at = ((i * KW + j) * F + f) * C;
        let sum = 0;
        for (let c = 0; c < C; c++) sum += x[from + c] * w[at + c];
        y[to + f] += sum;
      }
    }
  }
  return y;
}
