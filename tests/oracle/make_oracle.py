"""Make the .npz files of this folder: what frameworks compute, in float64.

    pip install torch tensorflow
    python tests/oracle/make_oracle.py

Each case has its inputs, outputs and all gradients under a random upstream
dy, as arrays named "CASE/NAME"; its settings are in "CASE/settings" (JSON).
The frameworks are needed for nothing but making these files.
"""
import json
import os
from pathlib import Path

import numpy as np

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"      # crashes on some of the strides

FOLDER = Path(__file__).parent
EPSILON = 0.1      # Adam's: large, so that its place in the formula shows
rng = np.random.default_rng(0)
draw = rng.standard_normal

# (kernel, strides, padding, image size), as PyTorch can do them: it pads
# both sides alike, which is Keras' "same" where that needs an even number.
TORCH = [((1, 1), (1, 1), "valid", (4, 3)), ((3, 3), (1, 1), "valid", (6, 5)),
         ((3, 3), (1, 1), "same", (6, 5)), ((3, 3), (2, 2), "valid", (7, 6)),
         ((4, 4), (2, 2), "valid", (8, 8)), ((3, 2), (2, 1), "valid", (7, 6)),
         ((2, 3), (1, 2), "valid", (6, 7)), ((5, 3), (1, 1), "same", (6, 5)),
         ((1, 5), (1, 1), "same", (4, 6)), ((5, 5), (3, 2), "valid", (8, 9)),
         ((2, 2), (3, 3), "valid", (8, 7)), ((3, 5), (1, 3), "valid", (5, 8))]
# and Keras with what PyTorch cannot: "same" with strides, an odd zero after
KERAS = [((3, 3), (2, 2), "same", (7, 7)), ((3, 3), (2, 2), "same", (8, 6)),
         ((3, 3), (2, 2), "valid", (7, 6)), ((4, 4), (2, 2), "same", (7, 8)),
         ((2, 2), (1, 1), "same", (5, 4)), ((3, 2), (2, 1), "same", (7, 6)),
         ((5, 5), (2, 2), "same", (6, 9)), ((4, 3), (3, 2), "same", (8, 7)),
         ((2, 2), (3, 3), "same", (7, 8)), ((3, 3), (1, 1), "same", (5, 4))]


def torch_cases():
    import torch
    from torch.nn import functional

    def leaf(a):
        return torch.tensor(a, dtype=torch.float64, requires_grad=True)

    def results(y, dy, **leaves):
        y.backward(torch.tensor(dy))
        return {"y": y.detach().numpy(), "dy": dy,
                **{name: a.detach().numpy() for name, a in leaves.items()},
                **{f"d{name}": a.grad.numpy() for name, a in leaves.items()}}

    for i, (kernel, strides, padding, size) in enumerate(TORCH):
        settings = {"kernel_size": kernel, "strides": strides,
                    "padding": padding}
        half = tuple(k // 2 if padding == "same" else 0 for k in kernel)
        b, x, w = leaf(draw(3)), leaf(draw((2, *size, 2))), leaf(
            draw((*kernel, 2, 3)))                    # Keras' layout
        y = functional.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), b,
                              strides, half).permute(0, 2, 3, 1)
        yield f"Conv2D-{i}", settings, results(y, draw(y.shape), x=x, w=w,
                                               b=b)
        b, x, w = leaf(draw(3)), leaf(draw((2, *size, 2))), leaf(
            draw((*kernel, 3, 2)))
        y = functional.conv_transpose2d(
            x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), b, strides, half)
        if padding == "valid":                        # Keras adds these zeros
            more = [max(s - k, 0) for k, s in zip(kernel, strides)]
            zero = b[None, :, None, None]
            y = functional.pad(y - zero, (0, more[1], 0, more[0])) + zero
        y = y.permute(0, 2, 3, 1)
        yield f"Conv2DTranspose-{i}", settings, results(y, draw(y.shape), x=x,
                                                        w=w, b=b)
    x, w, b = leaf(draw((4, 5))), leaf(draw((5, 3))), leaf(draw(3))
    yield "Dense", {}, results(x @ w + b, draw((4, 3)), x=x, w=w, b=b)
    x = leaf(draw((4, 5)))
    yield "ReLU", {}, results(torch.relu(x), draw((4, 5)), x=x)
    x = leaf(3 * draw((4, 5)))
    yield "Sigmoid", {}, results(torch.sigmoid(x), draw((4, 5)), x=x)
    logits, pixels = leaf(4 * draw((4, 6))), (draw((4, 6)) > 0) * 1.0
    y = -functional.binary_cross_entropy_with_logits(
        logits, torch.tensor(pixels), reduction="none").sum(1)
    yield "bernoulli", {}, {**results(y, draw(4), logits=logits), "x": pixels}
    mu, logvar = leaf(draw((4, 3))), leaf(draw((4, 3)))
    normal = torch.distributions.Normal
    q = normal(mu, torch.exp(logvar / 2))
    y = torch.distributions.kl_divergence(q, normal(0.0, 1.0)).sum(1)
    yield "kl", {}, results(y, draw(4), mu=mu, logvar=logvar)
    z, mu, logvar = leaf(draw((4, 3))), leaf(draw((4, 3))), leaf(draw((4, 3)))
    y = normal(mu, torch.exp(logvar / 2)).log_prob(z).sum(1)
    yield "gaussian", {}, results(y, draw(4), z=z, mu=mu, logvar=logvar)

    p, grads, path = leaf(draw((3, 2))), draw((100, 3, 2)), []
    start = p.detach().numpy().copy()
    adam = torch.optim.Adam([p], lr=0.01)
    for t, g in enumerate(grads, 1):
        # PyTorch adds epsilon to the corrected sqrt(v), Keras to sqrt(v)
        adam.param_groups[0]["eps"] = EPSILON / (1 - 0.999 ** t) ** 0.5
        p.grad = torch.tensor(g)
        adam.step()
        path.append(p.detach().numpy().copy())
    yield "Adam", {"learning_rate": 0.01, "epsilon": EPSILON}, {
        "start": start, "grads": grads, "path": np.stack(path)}


def keras_cases():
    import keras
    import tensorflow
    keras.config.set_floatx("float64")

    for i, (kernel, strides, padding, size) in enumerate(KERAS):
        for name in "Conv2D", "Conv2DTranspose":
            x = tensorflow.constant(draw((2, *size, 2)))
            layer = getattr(keras.layers, name)(3, kernel, strides=strides,
                                                padding=padding)
            layer.build(x.shape)
            layer.set_weights([draw(w.shape) for w in layer.get_weights()])
            with tensorflow.GradientTape() as tape:
                tape.watch(x)
                y = layer(x)
                dy = draw(y.shape)
                L = tensorflow.reduce_sum(y * dy)
            w, b = layer.trainable_variables
            dx, dw, db = tape.gradient(L, [x, w, b])
            arrays = {"x": x, "w": w, "b": b, "y": y, "dy": dy, "dx": dx,
                      "dw": dw, "db": db}
            yield f"{name}-{i}", {
                "kernel_size": kernel, "strides": strides, "padding": padding
            }, {key: np.asarray(a) for key, a in arrays.items()}

    p = keras.Variable(draw((3, 2)))
    adam = keras.optimizers.Adam(learning_rate=0.01, epsilon=EPSILON)
    grads, path, start = draw((100, 3, 2)), [], np.asarray(p)
    for g in grads:
        adam.apply([tensorflow.constant(g)], [p])
        path.append(np.asarray(p))
    yield "Adam", {"learning_rate": 0.01, "epsilon": EPSILON}, {
        "start": start, "grads": grads, "path": np.stack(path)}


def gan_cases():
    import torch
    from torch.nn import functional
    rng = np.random.default_rng(1)
    draw = rng.standard_normal

    def leaf(a):
        return torch.tensor(a, dtype=torch.float64, requires_grad=True)

    def results(y, **leaves):
        y.backward()
        return {"y": y.detach().numpy(),
                **{name: a.detach().numpy() for name, a in leaves.items()},
                **{f"d{name}": a.grad.numpy() for name, a in leaves.items()}}

    cross_entropy = functional.binary_cross_entropy_with_logits
    real, made = leaf(4 * draw((5, 1))), leaf(4 * draw((3, 1)))
    yield "discriminator", {}, results(
        cross_entropy(real, torch.ones_like(real))
        + cross_entropy(made, torch.zeros_like(made)), real=real, made=made)
    made = leaf(4 * draw((5, 1)))
    yield "generator", {}, results(
        cross_entropy(made, torch.ones_like(made)), made=made)
    logits, codes = leaf(4 * draw((3, 2, 5))), rng.integers(0, 5, (3, 2))
    each = -functional.cross_entropy(logits.reshape(6, 5),
                                     torch.tensor(codes).reshape(6),
                                     reduction="none").reshape(3, 2).sum(1)
    dy = draw(3)
    case = results((each * torch.tensor(dy)).sum(), logits=logits)
    yield "categorical", {}, {**case, "y": each.detach().numpy(), "dy": dy,
                              "codes": codes}

    # R1 by differentiating twice, for a convolution and a dense layer
    x, k, b, w = (leaf(draw(shape)) for shape in (
        (4, 6, 5, 1), (3, 3, 1, 2), 2, (6 * 5 * 2, 1)))
    y = functional.conv2d(x.permute(0, 3, 1, 2), k.permute(3, 2, 0, 1), b,
                          padding=1).permute(0, 2, 3, 1)
    D = torch.sigmoid(y).reshape(4, -1) @ w
    g, = torch.autograd.grad(D.sum(), x, create_graph=True)
    case = results(0.5 * (g ** 2).sum((1, 2, 3)).mean(), k=k, b=b, w=w)
    yield "r1", {}, {**case, "x": x.detach().numpy()}


def vq_cases():
    import torch
    from torch.nn import functional
    rng, K, D, decay = np.random.default_rng(2), 6, 3, 0.9
    z = rng.standard_normal((10, 2, 4, 5, D)) + np.linspace(
        0, 1, 10)[:, None, None, None, None]             # it drifts
    dy, dprice = rng.standard_normal(z.shape), rng.standard_normal((10, 2))
    book = torch.tensor(rng.standard_normal((K, D)))
    counts = torch.tensor(rng.uniform(5, 30, K))
    sums, first = counts[:, None] * book, (book.clone(), counts.clone())
    found = {name: [] for name in ("codes", "y", "price", "dz", "vectors")}
    for i in range(len(z)):
        leaf = torch.tensor(z[i], requires_grad=True)
        codes = torch.cdist(leaf.reshape(-1, D), book).argmin(1)
        e = book[codes].reshape(leaf.shape)
        y = leaf + (e - leaf).detach()              # straight through
        price = functional.mse_loss(leaf, e, reduction="none").sum((1, 2, 3))
        ((y * torch.tensor(dy[i])).sum()
         + (price * torch.tensor(dprice[i])).sum()).backward()
        n = torch.bincount(codes, minlength=K).double()
        m = torch.zeros(K, D, dtype=torch.float64).index_add(
            0, codes, torch.tensor(z[i]).reshape(-1, D))
        counts = decay * counts + (1 - decay) * n
        sums = decay * sums + (1 - decay) * m
        book = sums / counts[:, None]
        for name, a in (("codes", codes.reshape(e.shape[:-1])), ("y", e),
                        ("price", price), ("dz", leaf.grad),
                        ("vectors", book)):
            found[name].append(a.detach().numpy())
    start, counts = (a.numpy() for a in first)
    yield "vq", {}, {
        "z": z, "dy": dy, "dprice": dprice, "start": start, "counts": counts,
        "decay": np.array(decay),
        **{name: np.stack(arrays) for name, arrays in found.items()}}


def discrete_cases():
    import torch
    from torch.nn import functional
    rng = np.random.default_rng(3)
    draw = rng.standard_normal

    def leaf(a):
        return torch.tensor(a, dtype=torch.float64, requires_grad=True)

    def results(y, dy, **leaves):
        y.backward(torch.tensor(dy))
        return {"y": y.detach().numpy(), "dy": dy,
                **{name: a.detach().numpy() for name, a in leaves.items()},
                **{f"d{name}": a.grad.numpy() for name, a in leaves.items()}}

    for size in 3, 5:
        for strict in True, False:
            # the whole kernel, as PyTorch has it, with zeros for what is later
            above = size // 2
            x, b, w = leaf(draw((2, 6, 5, 2))), leaf(draw(3)), leaf(
                draw((above + 1, size, 2, 3)))
            mask = np.ones((above + 1, size, 1, 1))
            mask[-1, above + 1 - strict:] = 0
            whole = functional.pad(w * torch.tensor(mask),
                                   (0, 0, 0, 0, 0, 0, 0, above))
            y = functional.conv2d(
                x.permute(0, 3, 1, 2), whole.permute(3, 2, 0, 1), b,
                padding=above).permute(0, 2, 3, 1)
            yield f"MaskedConv2D-{size}-{int(strict)}", {
                "size": size, "strict": strict}, results(
                    y, draw(y.shape), x=x, w=w, b=b)
    x = leaf(2 * draw((2, 3, 4, 6)))
    a, b = x.chunk(2, -1)
    yield "Gate", {}, results(torch.tanh(a) * torch.sigmoid(b),
                              draw((2, 3, 4, 3)), x=x)
    q, p = leaf(3 * draw((3, 2, 4, 5))), leaf(3 * draw((3, 2, 4, 5)))
    y = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=q),
        torch.distributions.Categorical(logits=p)).sum((1, 2))
    yield "kl", {}, results(y, draw(3), q=q, p=p)
    logits, noise = leaf(2 * draw((3, 2, 5))), rng.gumbel(size=(3, 2, 5))
    soft = torch.softmax((logits + torch.tensor(noise)) / 0.7, -1)
    hard = functional.one_hot(soft.argmax(-1), 5).double()
    yield "gumbel", {"temperature": 0.7}, {**results(
        hard - soft.detach() + soft, draw((3, 2, 5)), logits=logits),
        "noise": noise}


def save(name, version, cases):
    arrays = {"version": np.array(version)}
    for case, settings, results in cases:
        arrays[f"{case}/settings"] = np.array(json.dumps(settings))
        arrays.update({f"{case}/{key}": a for key, a in results.items()})
    np.savez_compressed(FOLDER / name, **arrays)
    print(name, version, f"{(FOLDER / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    import keras
    import tensorflow
    import torch
    save("torch.npz", f"PyTorch {torch.__version__}", torch_cases())
    save("keras.npz", f"Keras {keras.__version__} on TensorFlow "
         f"{tensorflow.__version__}", keras_cases())
    save("gan.npz", f"PyTorch {torch.__version__}", gan_cases())
    save("vq.npz", f"PyTorch {torch.__version__}", vq_cases())
    save("discrete.npz", f"PyTorch {torch.__version__}", discrete_cases())
