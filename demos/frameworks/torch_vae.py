"""The same VAE in PyTorch: eager, with images in channels_last memory.

That was its fastest way on a CPU here: torch.compile and its default layout
took longer. On a GPU, torch.compile can record a step and play it back.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

torch.backends.cudnn.allow_tf32 = False    # float32, as the others have it


class Contender:
    """The network with minivae's parameters, transposed to PyTorch's order."""

    NAME = f"PyTorch {torch.__version__.partition('+')[0]}"

    def __init__(self, params: dict, learning_rate: float, device: str):
        if device == "gpu" and not torch.cuda.is_available():
            raise RuntimeError("this PyTorch finds no GPU")
        self.device = "cuda" if device == "gpu" else "cpu"
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 32, 3, 2), nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2), nn.ReLU())
        self.code = nn.Linear(6 * 6 * 64, 4)
        self.first = nn.Linear(2, 7 * 7 * 32)
        # what Keras calls "same": one row and column of zeros at the end
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(32, 64, 3, 2), nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 3, 2), nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 3, 1, 1))
        self.model = nn.ModuleList([self.encoder, self.code, self.first,
                                    self.decoder])
        with torch.no_grad():
            for mine, p in zip(self.model.parameters(), params.values(),
                               strict=True):
                p = torch.from_numpy(p.copy())
                # (KH, KW, C, F) -> (F, C, KH, KW);   (in, out) -> (out, in)
                mine.copy_(p.permute(3, 2, 0, 1) if p.ndim == 4 else p.T
                           if p.ndim == 2 else p)
        self.model.to(self.device, memory_format=torch.channels_last)
        self.adam = torch.optim.Adam(self.model.parameters(), learning_rate,
                                     eps=1e-7, fused=device == "gpu" or None)

    def decode(self, z):
        h = F.relu(self.first(z)).view(-1, 7, 7, 32).permute(0, 3, 1, 2)
        up1, relu1, up2, relu2, last = self.decoder
        h = relu1(up1(h)[:, :, :14, :14])
        h = relu2(up2(h)[:, :, :28, :28])
        return last(h)

    def _elbo(self, x, eps):
        h = self.encoder(x).permute(0, 2, 3, 1).flatten(1)
        mu, logvar = self.code(h).chunk(2, dim=1)
        z = mu + eps * torch.exp(0.5 * logvar)
        log_p_x = -F.binary_cross_entropy_with_logits(
            self.decode(z), x, reduction="none").sum(dim=(1, 2, 3))

        def log_normal_pdf(mu, logvar):
            return (-0.5 * ((z - mu) ** 2 * torch.exp(-logvar) + logvar
                            + math.log(2 * math.pi))).sum(dim=1)
        zero = torch.zeros((), device=self.device)
        return (log_p_x + log_normal_pdf(zero, zero)
                - log_normal_pdf(mu, logvar))

    def _loss(self, x, eps):
        return -self._elbo(x, eps).mean()

    def _image(self, x):
        # (N, 28, 28, 1) in memory is (N, 1, 28, 28) in channels_last
        return torch.from_numpy(x).permute(0, 3, 1, 2).to(self.device)

    def _train(self, x, eps):
        self.adam.zero_grad(set_to_none=True)
        loss = self._loss(x, eps)
        loss.backward()
        self.adam.step()
        return loss

    def step(self, x, eps) -> float:
        eps = torch.from_numpy(eps).to(self.device)
        return self._train(self._image(x), eps).item()

    def set_rate(self, rate: float) -> None:
        for group in self.adam.param_groups:
            group["lr"] = rate

    def time_on_gpu(self, x, eps, times) -> list[float]:
        x, eps = self._image(x), torch.from_numpy(eps).to(self.device)
        marks = [torch.cuda.Event(enable_timing=True)
                 for _ in range(times + 1)]
        marks[0].record()
        for mark in marks[1:]:
            self._train(x, eps)
            mark.record()
        marks[-1].synchronize()
        return [1e-3 * start.elapsed_time(stop)              # milliseconds
                for start, stop in zip(marks, marks[1:])]

    @torch.inference_mode()
    def elbo(self, images, eps) -> float:
        parts = [self._elbo(self._image(images[i:i + 500].astype("float32")),
                            torch.from_numpy(eps[i:i + 500]).to(self.device))
                 for i in range(0, len(images), 500)]
        return torch.cat(parts).mean().item()

    @torch.inference_mode()
    def landscape(self, z):
        z = torch.from_numpy(z).to(self.device)
        return torch.sigmoid(self.decode(z)).permute(0, 2, 3, 1).cpu().numpy()


class Compiled(Contender):
    """The same, with forward and backward compiled to few kernels."""

    NAME = Contender.NAME + ", compiled"

    def __init__(self, *args):
        super().__init__(*args)
        self._loss = torch.compile(self._loss, mode="reduce-overhead",
                                   dynamic=False)
