#!/usr/bin/env python3
"""PyTorch peer of Mezzotint's U-Net and U-ViT of simple diffusion: the same network, loss and update in plain PyTorch, as a
Python user would write them. Written from the description (arXiv 2301.11093); nothing is copied from other implementations.

  train-step   time whole training steps on random pictures
  sample-step  time single sampling steps: one evaluation, one step of DDPM
  serve        stay alive and obey `train N`, `sample N`, `rss`, `quit` read from standard input
  check        load a bundle of ours, evaluate it in float64 and compare with what `mezzotint predict` wrote
Every result is one line of JSON on standard output. Pictures and convolutions are channels-last unless --contiguous says
otherwise.
"""
import argparse
import json
import math
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from peer import Golden, Network, Updates, add_bench_commands, add_machine_options, run


class LogSnrEmbedding(nn.Module):
    def __init__(self, features, width):
        super().__init__()
        half = features // 2
        self.omega = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64) / (half - 1))
        self.first, self.second = nn.Linear(features, width), nn.Linear(width, width)

    def forward(self, log_snr):
        angle = (1000 * (log_snr.double() + 10) / 20)[:, None] * self.omega.to(log_snr.device)
        waves = torch.cat([angle.cos(), angle.sin()], dim=1).to(self.first.weight.dtype)
        return self.second(F.silu(self.first(waves)))


class ResidualBlock(nn.Module):
    def __init__(self, width, embedding, groups, skipped, dropout):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, width, eps=1e-6)
        self.skip_norm = nn.GroupNorm(groups, width, eps=1e-6) if skipped else None
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * width)
        self.norm2 = nn.GroupNorm(groups, width, eps=1e-6)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, skip, c):
        h = self.norm1(x)
        if skip is not None:
            h = (h + self.skip_norm(skip)) / math.sqrt(2)
        h = self.norm2(self.conv1(F.silu(h)))
        scale, shift = self.modulation(c)[:, :, None, None].chunk(2, dim=1)
        return x + self.conv2(self.dropout(F.silu(h * (1 + scale) + shift)))


class MapAttention(nn.Module):
    """Self-attention over all cells of a map."""
    def __init__(self, width, heads, groups):
        super().__init__()
        self.heads, self.norm = heads, nn.GroupNorm(groups, width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        out = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + out.transpose(1, 2).unflatten(2, x.shape[2:])


class UNetBlock(nn.Module):
    def __init__(self, width, embedding, groups, heads, dropout, skipped, attends):
        super().__init__()
        self.residual = ResidualBlock(width, embedding, groups, skipped, dropout)
        self.attention = MapAttention(width, heads, groups) if attends else nn.Identity()

    def forward(self, x, skip, c):
        return self.attention(self.residual(x, skip, c))


class Mlp(nn.Module):
    def __init__(self, width, embedding, dropout):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6, bias=False)
        self.up, self.modulation = nn.Linear(width, 4 * width), nn.Linear(embedding, 8 * width)
        self.down, self.dropout = nn.Linear(4 * width, width), nn.Dropout(dropout)

    def forward(self, x, c):
        scale, shift = self.modulation(c)[:, None].chunk(2, dim=2)
        return self.down(self.dropout(F.silu(self.up(self.norm(x))) * (1 + scale) + shift))


class TokenAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(width, eps=1e-6, bias=False)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.q_norm, self.k_norm = (nn.LayerNorm(width // heads, eps=1e-6, bias=bias) for bias in (True, False))

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(self.q_norm(q).to(v.dtype), self.k_norm(k).to(v.dtype), v)
        return self.proj(y.transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    def __init__(self, width, embedding, heads, dropout):
        super().__init__()
        self.mlp, self.attention = Mlp(width, embedding, dropout), TokenAttention(width, heads)

    def forward(self, x, skip, c):
        x = x + self.mlp(x, c)
        return x + self.attention(x)


def lift(x, dim):
    """Low and high band of the 5/3 wavelet along a dimension."""
    even, odd = x.unflatten(dim, (-1, 2)).unbind(dim + 1)
    n = even.shape[dim]
    high = odd - (even + torch.cat([even.narrow(dim, 1, n - 1), even.narrow(dim, n - 1, 1)], dim)) / 2
    return even + (high + torch.cat([high.narrow(dim, 0, 1), high.narrow(dim, 0, n - 1)], dim)) / 4, high


def unlift(low, high, dim):
    n = low.shape[dim]
    even = low - (high + torch.cat([high.narrow(dim, 0, 1), high.narrow(dim, 0, n - 1)], dim)) / 4
    odd = high + (even + torch.cat([even.narrow(dim, 1, n - 1), even.narrow(dim, n - 1, 1)], dim)) / 2
    return torch.stack([even, odd], dim + 1).flatten(dim, dim + 1)


def wavelet(x, levels):
    (ll, lh), (hl, hh) = (lift(band, 2) for band in lift(x, 3))
    if levels == 1:
        return torch.cat([ll, lh, hl, hh], 1)
    return torch.cat([wavelet(ll, levels - 1), F.pixel_unshuffle(torch.cat([lh, hl, hh], 1), 1 << levels - 1)], 1)


def unwavelet(x, levels):
    c = x.shape[1] >> 2 * levels
    if levels == 1:
        ll, details = x[:, :c], x[:, c:]
    else:
        coarse = c << 2 * (levels - 1)
        ll, details = unwavelet(x[:, :coarse], levels - 1), F.pixel_shuffle(x[:, coarse:], 1 << levels - 1)
    lh, hl, hh = details.chunk(3, 1)
    return unlift(unlift(ll, lh, 2), unlift(hl, hh, 2), 3)


class Edge(nn.Module):
    """First or last layer: `downsampling` is (none, 1), (wavelet, levels) or (patch, side)."""
    def __init__(self, downsampling, channels, width, groups=None):
        super().__init__()
        self.kind, self.n = downsampling
        factor = self.n if self.kind == "patch" else 1 << self.n if self.kind == "wavelet" else 1
        kernel, cells = (1 if self.kind == "patch" else 3), channels * factor ** 2
        self.norm = None if groups is None else nn.GroupNorm(groups, width, eps=1e-6)
        self.conv = nn.Conv2d(*((cells, width) if groups is None else (width, cells)), kernel, padding=kernel // 2)

    def forward(self, x):
        there, back = {"none": (lambda y, n: y,) * 2, "wavelet": (wavelet, unwavelet),
                       "patch": (F.pixel_unshuffle, F.pixel_shuffle)}[self.kind]
        if self.norm is None:
            y = there(x, self.n)
            last = self.conv.weight.is_contiguous(memory_format=torch.channels_last)
            return self.conv(y.contiguous(memory_format=torch.channels_last) if last else y.contiguous())
        return back(self.conv(F.silu(self.norm(x))), self.n)


class Simple(nn.Module):
    """
    Both networks; parameters bear our names. A level is (multiplier, blocks). The U-Net has `attention` at some resolutions,
    the U-ViT a `transformer` (multiplier, blocks) inside. Label `num_classes` means "no label".
    """
    def __init__(self, size, channels, downsampling, base, embedding, levels, heads, groups, dropout, num_classes,
                 attention=(), dropout_from=0, transformer=None, checkpointing=False):
        super().__init__()
        self.checkpointing, self.inner, widths = checkpointing, transformer is not None, [base * m for m, _ in levels]
        kind, n = downsampling
        side = min(size) // (n if kind == "patch" else 1 << n if kind == "wavelet" else 1)
        if self.inner:
            widths.append(base * transformer[0])
            height, width = (s // (min(size) // side) >> len(levels) for s in size)
            self.positions = nn.Parameter(0.01 * torch.randn(height, width, widths[-1]))
        self.log_snr_embedding = LogSnrEmbedding(base, embedding)
        if num_classes:
            self.class_embedding = nn.Embedding(num_classes + 1, embedding)

        def blocks(i, count, first):
            if self.inner:
                made = (ResidualBlock(widths[i], embedding, groups, first, 0.0) for _ in range(count))
            else:
                made = (UNetBlock(widths[i], embedding, groups, heads, dropout if side >> i <= dropout_from else 0.0,
                                  first and j > 0, side >> i in attention) for j in range(count))
            return nn.ModuleList(made)
        self.input = Edge(downsampling, channels, widths[0])
        self.down = nn.ModuleList(blocks(i, n, False) for i, (_, n) in enumerate(levels))
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(widths, widths[1:]))
        if self.inner:
            self.transformer = nn.ModuleList(
                TransformerBlock(widths[-1], embedding, heads, dropout) for _ in range(transformer[1]))
        else:
            rate = dropout if side >> len(levels) - 1 <= dropout_from else 0.0
            self.middle = nn.ModuleList(
                UNetBlock(widths[-1], embedding, groups, heads, rate, False, attends) for attends in (True, False))
        self.up = nn.ModuleList(blocks(i, n if self.inner else n + 1, True) for i, (_, n) in enumerate(levels))
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in zip(widths, widths[1:]))
        self.output = Edge(downsampling, channels, widths[0], groups)
        for name, parameter in self.named_parameters():
            if name.endswith(("conv2.weight", "conv2.bias", "proj.weight", "proj.bias", "mlp.down.weight", "mlp.down.bias",
                              "output.conv.weight", "output.conv.bias")) or "modulation" in name:
                nn.init.zeros_(parameter)

    def through(self, block, x, skip, c):
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(block, x, skip, c, use_reentrant=False)
        return block(x, skip, c)

    def forward(self, x, log_snr, y=None):
        c = self.log_snr_embedding(log_snr)
        c = F.silu(c if y is None else c + self.class_embedding(y))
        x, skips = self.input(x), []
        for i, blocks in enumerate(self.down):
            for block in blocks:
                x = self.through(block, x, None, c)
                skips.append(x)
            if i < len(self.shrink):
                x = self.shrink[i](F.avg_pool2d(x, 2))
        if self.inner:
            shape = x.shape[2:]
            x = (x.permute(0, 2, 3, 1) + self.positions).flatten(1, 2)
            for block in self.transformer:
                x = self.through(block, x, None, c)
            x = x.unflatten(1, shape).permute(0, 3, 1, 2)
        else:
            for block in self.middle:
                x = self.through(block, x, None, c)
        for i in reversed(range(len(self.up))):
            if i < len(self.grow):
                x = F.interpolate(self.grow[i](x), scale_factor=2, mode="nearest")
            for j, block in enumerate(self.up[i]):
                x = self.through(block, x, skips.pop() if self.inner or j > 0 else None, c)
        return self.output(x).contiguous().float() if x.dtype == torch.bfloat16 else self.output(x).contiguous()


def bench_model(name, size, **options):
    """The family that is measured: 64 x 64 cells at most, behind one level of wavelets for each doubling of the side."""
    levels = int(math.log2(size // 64)) if size >= 64 else -1
    if size != 64 << max(levels, 0) or levels > 4:
        raise SystemExit(f"--size must be 64, 128, 256, 512 or 1024, got {size}")
    downsampling = ("wavelet", levels) if levels else ("none", 1)
    shared = dict(size=(size, size), channels=3, downsampling=downsampling, base=64, embedding=256, heads=4, groups=32,
                  dropout=0.0, num_classes=1000, **options)
    if name == "uvit":
        return Simple(levels=[(1, 2), (2, 2)], transformer=(6, 8), **shared)
    return Simple(levels=[(1, 2), (2, 2), (4, 3), (4, 2)], attention=(16, 8), **shared)


def log_snr(t):
    """The cosine schedule with ends at -15 and 15."""
    low, high = math.atan(math.exp(-7.5)), math.atan(math.exp(7.5))
    return -2 * torch.log(torch.tan(low + t * (high - low)))


def scales(snr):
    """alpha, sigma of log SNRs, each [N, 1, 1, 1] in float32."""
    return (torch.sqrt(torch.sigmoid(s * snr)).float().view(-1, 1, 1, 1) for s in (1, -1))


def losses(network, x0, snr, noise, *cond):
    """Squared error of v, [N]."""
    alpha, sigma = scales(snr)
    error = network(alpha * x0 + sigma * noise, snr, *cond) - (alpha * noise - sigma * x0)
    return error.square().flatten(1).mean(1)


def ddpm(network, x, snr, following, noise, *cond):
    """One step of DDPM with the posterior's variance, from one log SNR to the next, higher one."""
    alpha, sigma = scales(snr)
    x0 = alpha * x - sigma * network(x, snr, *cond)
    c = -torch.expm1(snr - following)  # share of the step's noise
    a, b = torch.sqrt(torch.sigmoid(following)), torch.sqrt(torch.sigmoid(snr))
    variance = c * torch.sigmoid(-following)
    first, second, deviation = (v.float().view(-1, 1, 1, 1) for v in ((1 - c) * a / b, c * a, variance.sqrt()))
    return first * x + second * x0 + deviation * noise


class Bench:
    """The measured model with random pictures at even times."""
    def __init__(self, args):
        torch.manual_seed(args.seed)
        self.device, n = torch.device(args.device), args.batch
        self.model = bench_model(args.model, args.size, checkpointing=args.checkpointing).to(self.device)
        if not args.contiguous:
            self.model = self.model.to(memory_format=torch.channels_last)
        self.network = Network(self.model, args.bf16, args.compile)
        self.x0 = torch.randn(n, 3, args.size, args.size, device=self.device)
        self.labels = torch.arange(n, device=self.device) * 37 % 1000
        at = lambda t: log_snr(torch.as_tensor(t, dtype=torch.float64, device=self.device)).expand(n)
        self.snr = at((torch.arange(n) + 0.5) / n)
        self.levels = at(257 / 512), at(256 / 512)
        self.label = (f"{args.model} {args.size} pixels batch {n} {'bf16' if args.bf16 else 'float32'} "
                      f"{'contiguous' if args.contiguous else 'channels-last'} "
                      f"{'compiled' if args.compile else 'eager'} {args.threads} threads {args.device}")

    @cached_property
    def updates(self):
        parameters = list(self.model.parameters())
        return Updates([{"params": parameters, "lr": 1e-4, "weight_decay": 0.0}],
                       [p.detach().clone() for p in parameters], (0.9, 0.99))

    def train(self):
        noise = torch.randn_like(self.x0)
        return self.updates.apply(losses(self.network, self.x0, self.snr, noise, self.labels).mean(), 0.9999)

    @torch.inference_mode()
    def sample(self):
        return ddpm(self.network, self.x0, *self.levels, torch.randn_like(self.x0), self.labels)


def from_config(config):
    """A network as a bundle's configuration says."""
    down = config["downsampling"]
    downsampling = down["type"], down.get("levels") or down.get("side") or 1
    levels = [(level["multiplier"], level["blocks"]) for level in config["levels"]]
    shared = dict(size=(config["height"], config["width"]), channels=config["channels"], downsampling=downsampling,
                  base=config["baseChannels"], embedding=config["embeddingWidth"], levels=levels, groups=config["groups"],
                  num_classes=config["numClasses"])
    if config["type"] == "uvit":
        inner = config["transformer"]
        return Simple(transformer=(inner["multiplier"], inner["blocks"]), heads=inner["numHeads"],
                      dropout=inner["dropout"], **shared)
    return Simple(attention=config["attentionResolutions"], heads=config["numHeads"], dropout=config["dropout"],
                  dropout_from=config["dropoutFrom"], **shared)


def run_check(args):
    """The bundle's weights, the inputs of `mezzotint predict --precision float64` and what it wrote, in one folder."""
    from safetensors import safe_open
    from safetensors.torch import load_file
    with safe_open(args.bundle, "pt") as file:
        model = from_config(json.loads(file.metadata()["model"])).double().eval()
        prefix = "ema." if args.ema else ""
        names = [k for k in file.keys() if k.startswith(prefix)] if prefix else [k for k in file.keys()
                                                                                if not k.startswith("ema.")]
        model.load_state_dict({k[len(prefix):]: file.get_tensor(k).double() for k in names})
    given, wrote = load_file(args.inputs), load_file(args.outputs)
    with torch.inference_mode():
        y = model(given["x"].double(), given["logSnr"], given.get("class"))
    vectors = Golden(".")
    vectors.report("predict", 1e-10, (y, wrote["y"].double()))
    vectors.exit()


def commands(add):
    machine, sized = argparse.ArgumentParser(add_help=False), argparse.ArgumentParser(add_help=False)
    add_machine_options(machine)
    sized.add_argument("--model", choices=("simple-unet", "uvit"), default="simple-unet")
    sized.add_argument("--size", type=int, default=64, help="side of the picture: 64, 128, 256, 512 or 1024")
    sized.add_argument("--batch", type=int, default=8)
    sized.add_argument("--contiguous", action="store_true", help="channels slowest in memory instead of fastest")
    sized.add_argument("--checkpointing", action="store_true", help="keep only the blocks' inputs for the backward pass")
    add_bench_commands(add, Bench, machine, sized)
    check = add("check", run_check)
    check.add_argument("bundle", help="model.safetensors")
    check.add_argument("inputs", help="x, logSnr, class (.safetensors)")
    check.add_argument("outputs", help="what `mezzotint predict --precision float64` made of them")
    check.add_argument("--ema", action="store_true", help="the average instead of the weights")


if __name__ == "__main__":
    run(argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter), commands)
