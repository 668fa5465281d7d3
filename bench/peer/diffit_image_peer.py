#!/usr/bin/env python3
"""PyTorch peer of Mezzotint's DiffiT in image space: the same network, loss and update in plain PyTorch. Written from the
description (arXiv 2312.02139) and the choices in ImageDiffiT.java; the authors published no code of this network.

  train-step   time whole training steps on random pictures
  sample-step  time single sampling steps: one step of Heun's method, two evaluations
  serve        stay alive and obey `train N`, `sample N`, `rss`, `quit` read from standard input
  check        compare with what `./mezzotint predict` made of a bundle
Every result is one line of JSON on standard output.
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

SIGMA_DATA = 0.5


class Attention(nn.Module):
    """TMSA: query, key and value from token and time; a learned bias of relative positions."""
    def __init__(self, width, heads, side, time):
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.randn((2 * side - 1) ** 2, heads) * 0.02)
        at = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")).flatten(1)  # 2, T
        apart = at[:, :, None] - at[:, None] + side - 1
        self.register_buffer("relative_position_index", apart[0] * (2 * side - 1) + apart[1])
        self.qkv_temb, self.qkv = nn.Linear(time, 3 * width), nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x, c, mask):
        windows, tokens, width = x.shape
        qkv = self.qkv(x).view(len(c), -1, 3 * width) + self.qkv_temb(c)[:, None]
        q, k, v = qkv.view(windows, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # each windows, heads, T, d
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)[None]  # 1, heads, T, T
        if mask is not None:
            bias = (bias + mask[:, None, None]).repeat(len(c), 1, 1, 1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return self.proj(y.transpose(1, 2).reshape(x.shape))


class MLP(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    """The residual cell: convolution, then attention and MLP in windows."""
    def __init__(self, width, config):
        super().__init__()
        self.side = config["window"]
        self.norm = nn.GroupNorm(config["groups"], width, eps=1e-6)
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.attn = Attention(width, width // config["headWidth"], self.side, config["timeWidth"])
        self.mlp = MLP(width, round(width * config["mlpRatio"]))
        self.width = width

    def split(self, x):
        """[N, H, W, D] to [N·windows, T, D], and the mask of the padding."""
        n, height, width, d = x.shape
        down, right, mask = -height % self.side, -width % self.side, None
        if down or right:
            x = F.pad(x, (0, 0, 0, right, 0, down))
            mask = F.pad(x.new_zeros(1, height, width, 1), (0, 0, 0, right, 0, down), value=-math.inf)
            mask = self.cut(mask)[..., 0]
        return self.cut(x), mask

    def cut(self, x):
        x = x.unflatten(2, (-1, self.side)).unflatten(1, (-1, self.side))
        return x.transpose(2, 3).flatten(3, 4).flatten(0, 2)

    def join(self, x, shape):
        n, height, width, d = shape
        rows, columns = -(-height // self.side), -(-width // self.side)
        x = x.view(n, rows, columns, self.side, self.side, d).transpose(2, 3)
        return x.reshape(n, rows * self.side, columns * self.side, d)[:, :height, :width]

    def forward(self, x, c):
        y = self.conv(F.silu(self.norm(x))).permute(0, 2, 3, 1)
        tokens, mask = self.split(y)
        tokens = tokens + self.attn(F.layer_norm(tokens, (self.width,), eps=1e-6), c, mask)
        tokens = tokens + self.mlp(F.layer_norm(tokens, (self.width,), eps=1e-6))
        return x + self.join(tokens, y.shape).permute(0, 3, 1, 2)


class TimeToken(nn.Module):
    def __init__(self, width, augmentation):
        super().__init__()
        if augmentation:
            self.augmentation = nn.Linear(9, width, bias=False)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        frequencies = torch.exp(-math.log(10000) / (width // 2) * torch.arange(width // 2, dtype=torch.float64))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, sigma, augmentation):
        angle = (sigma.double().log() / 4)[:, None] * self.frequencies
        x = torch.cat([angle.cos(), angle.sin()], dim=1).to(self.mlp[0].weight.dtype)
        if augmentation is not None:
            x = x + self.augmentation(augmentation)
        return self.mlp(x)


class Stage(nn.Module):
    def __init__(self, width, blocks, config):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, config) for _ in range(blocks))


class Way(nn.Module):
    """The encoder or the decoder: its parts by the names of the bundle."""


class DiffiT(nn.Module):
    """The published design; `config` is the model's part of a recipe, parameters bear the bundle's names."""
    def __init__(self, config, checkpointing=False):
        super().__init__()
        if config["patch"] != 1 or config["design"] != {
                "encoder": "diffit", "decoder": "diffit", "time": "tmsa", "timeEmbedding": "positional"}:
            raise SystemExit("this peer knows the published design on single pixels only")
        self.config, self.checkpointing = config, checkpointing
        widths = [stage["width"] for stage in config["stages"]]
        conv = lambda i, o, kernel=3, stride=1: nn.Conv2d(i, o, kernel, stride, kernel // 2)
        stages = lambda: nn.ModuleList(Stage(s["width"], s["blocks"], config) for s in config["stages"])
        self.time_token = TimeToken(config["timeWidth"], config["augmentation"])
        if config["numClasses"]:
            self.class_emb = nn.Embedding(config["numClasses"] + 1, config["timeWidth"])
        self.encoder, self.decoder = Way(), Way()
        self.encoder.open, self.encoder.stages = conv(config["channels"], widths[0]), stages()
        self.encoder.downs = nn.ModuleList(conv(i, o, stride=2) for i, o in zip(widths, widths[1:]))
        self.decoder.open, self.decoder.stages = conv(widths[-1], widths[-1]), stages()
        self.decoder.fuses = nn.ModuleList(conv(2 * width, width, kernel=1) for width in widths)
        self.decoder.ups = nn.ModuleList(conv(i, o) for i, o in zip(widths[1:], widths))
        self.out_norm = nn.GroupNorm(config["groups"], widths[0], eps=1e-6)
        self.close = conv(widths[0], config["channels"])
        nn.init.zeros_(self.close.weight)

    def through(self, stage, x, c):
        for block in stage.blocks:
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, c, use_reentrant=False)
            else:
                x = block(x, c)
        return x

    def forward(self, x, sigma, y=None, augmentation=None):
        if self.config["augmentation"] and augmentation is None:
            augmentation = x.new_zeros(len(x), 9)
        c = self.time_token(sigma, augmentation)
        c = c if y is None else c + self.class_emb(y)
        x, skips, last = self.encoder.open(x), [], len(self.encoder.stages) - 1
        for i, stage in enumerate(self.encoder.stages):
            x = self.through(stage, self.encoder.downs[i - 1](x) if i else x, c)
            skips.append(x)
        x = self.decoder.open(x)
        for i in range(last, -1, -1):
            if i < last:
                x = self.decoder.ups[i](F.interpolate(x, scale_factor=2, mode="nearest"))
            x = self.through(self.decoder.stages[i], self.decoder.fuses[i](torch.cat([x, skips[i]], dim=1)), c)
        return self.close(F.silu(self.out_norm(x))).to(sigma.dtype)


CIFAR = {"channels": 3, "patch": 1, "stages": [{"width": 256, "blocks": 4}] * 3, "window": 4, "headWidth": 32,
         "mlpRatio": 4.0, "groups": 32, "timeWidth": 512, "numClasses": 0, "augmentation": True,
         "design": {"encoder": "diffit", "decoder": "diffit", "time": "tmsa", "timeEmbedding": "positional"}}


def scalings(sigma):
    """c_skip, c_out, c_in of a batch's noise levels, each [N, 1, 1, 1]."""
    sigma = sigma.view(-1, 1, 1, 1)
    total = sigma.square() + SIGMA_DATA ** 2
    return SIGMA_DATA ** 2 / total, sigma * SIGMA_DATA * total.rsqrt(), total.rsqrt()


def losses(network, x0, sigma, noise):
    """EDM's weighting: the squared error of the network's own output, [N]."""
    skip, out, scale = scalings(sigma)
    x = x0 + sigma.view(-1, 1, 1, 1) * noise
    return (network(x * scale, sigma) - (x0 - skip * x) / out).square().flatten(1).mean(1)


def slope(network, x, sigma):
    skip, out, scale = scalings(sigma)
    return (x - skip * x - out * network(x * scale, sigma)) / sigma.view(-1, 1, 1, 1)


def heun(network, x, sigma, following):
    """One step of Heun's method along the probability flow, all pictures from one level to the next."""
    step = (following - sigma).view(-1, 1, 1, 1)
    first = slope(network, x, sigma)
    return x + step / 2 * (first + slope(network, x + step * first, following))


class Bench:
    """The measured model with random pictures at fixed noise levels."""
    def __init__(self, args):
        torch.manual_seed(args.seed)
        self.device, n = torch.device(args.device), args.batch
        self.model = DiffiT(CIFAR, args.checkpointing).to(self.device)
        self.network = Network(self.model, args.bf16, args.compile)
        self.x0 = torch.randn(n, 3, 32, 32, device=self.device)
        self.sigma = torch.logspace(-1, 1, n + 1, device=self.device)[:n]
        self.start, self.levels = 10 * self.x0, torch.tensor([10.0, 9.0], device=self.device).expand(n, 2).unbind(1)
        self.label = (f"DiffiT CIFAR-10 batch {n} {'bf16' if args.bf16 else 'float32'} "
                      f"{'compiled' if args.compile else 'eager'} {args.threads} threads {args.device}")

    @cached_property
    def updates(self):
        parameters = list(self.model.parameters())
        return Updates([{"params": parameters, "lr": 1e-3, "weight_decay": 0.0}],
                       [p.detach().clone() for p in parameters], (0.9, 0.999))

    def train(self):
        noise = torch.randn_like(self.x0)
        return self.updates.apply(losses(self.network, self.x0, self.sigma, noise).mean(), 0.9999)

    @torch.inference_mode()
    def sample(self):
        return heun(self.network, self.start, *self.levels)


def run_check(args):
    """Loads a bundle's averaged weights, evaluates the inputs that `predict` was given, compares with what it wrote."""
    from safetensors import safe_open

    def tensors(path, prefix=""):
        with safe_open(path, "pt") as file:
            return {k[len(prefix):]: file.get_tensor(k) for k in file.keys() if k.startswith(prefix)}, file.metadata()

    weights, metadata = tensors(args.bundle, "ema.")
    model = DiffiT(json.loads(metadata["model"])).double()
    model.load_state_dict({k: v.double() if v.is_floating_point() else v for k, v in weights.items()})
    inputs, expected = tensors(args.inputs)[0], tensors(args.prediction)[0]["y"].double()
    with torch.inference_mode():
        y = model(inputs["x"].double(), inputs["sigma"].double(), inputs.get("class"),
                  inputs["augmentation"].double() if "augmentation" in inputs else None)
    report = Golden(".")
    report.report("predict", args.limit, (y, expected))
    report.exit()


def commands(add):
    machine, sized = argparse.ArgumentParser(add_help=False), argparse.ArgumentParser(add_help=False)
    add_machine_options(machine)
    sized.add_argument("--batch", type=int, default=1)
    sized.add_argument("--checkpointing", action="store_true", help="keep only the blocks' inputs for the backward pass")
    add_bench_commands(add, Bench, machine, sized)
    check = add("check", run_check)
    check.add_argument("bundle", help="a bundle (.safetensors)")
    check.add_argument("inputs", help="x, sigma and what else the network takes (.safetensors)")
    check.add_argument("prediction", help="what `./mezzotint predict --precision float64` wrote")
    check.add_argument("--limit", type=float, default=1e-9)


if __name__ == "__main__":
    run(argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter), commands)
