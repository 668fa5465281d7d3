#!/usr/bin/env python3
"""PyTorch peer of Mezzotint's DiT: the same network, losses and training recipe in plain PyTorch.
Written from the published description (arXiv 2212.09748); nothing is copied from its reference implementation.

  train-step   time whole training steps on random latents
  sample-step  time single DDPM sampling steps
  serve        stay alive and obey `train N`, `sample N`, `rss`, `quit` read from standard input
  train        train on a zip of pictures (one folder a class) and write the loss curve as CSV
  check        compare with the golden vectors in float64
Every result is one line of JSON on standard output.
"""
import argparse
import copy
import csv
import io
import json
import math
import sys
import time
import zipfile
from collections import OrderedDict
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from peer import Golden, Network, Updates, add_bench_commands, add_machine_options, emit, run

SIZES = {"S": (384, 12, 6), "B": (768, 12, 12), "L": (1024, 24, 16), "XL": (1152, 28, 16)}  # width, depth, heads


def position_table(width, grid):
    """Fixed sine-cosine table [1, grid * grid, width]: the first half encodes the column, the second the row."""
    omega = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width / 4))
    angle = torch.arange(grid, dtype=torch.float64)[:, None] * omega
    line = torch.cat([angle.sin(), angle.cos()], dim=1)
    rows, columns = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    return torch.cat([line[columns.flatten()], line[rows.flatten()]], dim=1)[None]


def timestep_frequencies():
    return torch.exp(-math.log(10000.0) / 128 * torch.arange(128, dtype=torch.float64))


def modulate(x, shift, scale):
    return torch.addcmul(shift.unsqueeze(1), x, 1 + scale.unsqueeze(1))


class Block(nn.Module):
    def __init__(self, width, heads, ratio):
        super().__init__()
        self.heads, hidden = heads, int(width * ratio)
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.Sequential(OrderedDict(
            fc1=nn.Linear(width, hidden), act=nn.GELU(approximate="tanh"), fc2=nn.Linear(hidden, width)))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def attend(self, x):
        b, n, d = x.shape
        q, k, v = self.attn["qkv"](x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        return self.attn["proj"](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d))

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c).chunk(6, dim=1)
        x = torch.addcmul(x, gate1.unsqueeze(1), self.attend(modulate(self.norm(x), shift1, scale1)))
        return torch.addcmul(x, gate2.unsqueeze(1), self.mlp(modulate(self.norm(x), shift2, scale2)))


class DiT(nn.Module):
    """The adaLN-Zero transformer; parameters bear the published names. Label `num_classes` means "no label"."""
    def __init__(self, input_size, patch_size, in_channels, hidden_size, depth, num_heads, mlp_ratio=4.0,
                 num_classes=1000, learn_sigma=True):
        super().__init__()
        self.patch, self.grid, self.null_label = patch_size, input_size // patch_size, num_classes
        self.out_channels = in_channels * (2 if learn_sigma else 1)
        self.x_embedder = nn.ModuleDict({"proj": nn.Conv2d(in_channels, hidden_size, patch_size, stride=patch_size)})
        self.register_buffer("pos_embed", position_table(hidden_size, self.grid).float())
        self.register_buffer("freqs", timestep_frequencies().float(), persistent=False)
        self.t_embedder = nn.ModuleDict({"mlp": nn.Sequential(
            nn.Linear(256, hidden_size), nn.SiLU(), nn.Linear(hidden_size, hidden_size))})
        self.y_embedder = nn.ModuleDict({"embedding_table": nn.Embedding(num_classes + 1, hidden_size)})
        self.blocks = nn.ModuleList(Block(hidden_size, num_heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(hidden_size, elementwise_affine=False, eps=1e-6)
        self.final_layer = nn.ModuleDict({
            "adaLN_modulation": nn.Sequential(nn.SiLU(), nn.Linear(hidden_size, 2 * hidden_size)),
            "linear": nn.Linear(hidden_size, patch_size * patch_size * self.out_channels)})
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.xavier_uniform_(module.weight.data.flatten(1))
                nn.init.zeros_(module.bias)
        for layer in (self.y_embedder["embedding_table"], self.t_embedder["mlp"][0], self.t_embedder["mlp"][2]):
            nn.init.normal_(layer.weight, std=0.02)
        head = self.final_layer["adaLN_modulation"][1], self.final_layer["linear"]
        for layer in (*(block.adaLN_modulation[1] for block in self.blocks), *head):
            nn.init.zeros_(layer.weight)

    def forward(self, x, t, y):
        angle = t[:, None].to(self.freqs.dtype) * self.freqs
        c = self.t_embedder["mlp"](torch.cat([angle.cos(), angle.sin()], dim=1).to(x.dtype))
        c = c + self.y_embedder["embedding_table"](y)
        x = self.x_embedder["proj"](x).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            x = block(x, c)
        x = self.final_layer["linear"](modulate(self.norm(x), *self.final_layer["adaLN_modulation"](c).chunk(2, dim=1)))
        x = x.view(-1, self.grid, self.grid, self.patch, self.patch, self.out_channels)
        return x.permute(0, 5, 1, 3, 2, 4).reshape(len(x), self.out_channels, self.grid * self.patch, -1)


def normal_cdf(x):
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))  # the usual tanh approximation


class Diffusion:
    """A discrete chain; its coefficients lie in one table [8, steps, 1, 1, 1], so one gather fetches all of a batch."""
    def __init__(self, schedule="linear", prediction="eps", loss="mse-vlb", steps=1000, device="cpu"):
        self.prediction, self.with_vlb, self.steps = prediction, loss == "mse-vlb", steps
        if schedule == "linear":
            beta = torch.linspace(0.1 / steps, 20.0 / steps, steps, dtype=torch.float64)
        else:
            bar = torch.cos((torch.arange(steps + 1).double() / steps + 0.008) / 1.008 * math.pi / 2) ** 2
            beta = (1 - bar[1:] / bar[:-1]).clamp(max=0.999)
        bar = (1 - beta).cumprod(0)
        before = torch.cat([torch.ones_like(bar[:1]), bar[:-1]])
        variance = beta * (1 - before) / (1 - bar)
        variance[0] = variance[1]
        self.exact = torch.stack((bar.sqrt(), (1 - bar).sqrt(), bar.rsqrt(), (1 / bar - 1).sqrt(),
                                  beta * before.sqrt() / (1 - bar), (1 - before) * (1 - beta).sqrt() / (1 - bar),
                                  variance.log(), beta.log())).view(8, steps, 1, 1, 1)
        self.table = self.exact.float().to(device)

    def posterior(self, mean, code, x, k):
        """Mean and log-variance of the model's step, from its prediction and its variance code."""
        alpha, sigma, recip, recipm1, coef1, coef2, low, high = k
        if self.prediction != "x0":
            mean = recip * x - recipm1 * mean if self.prediction == "eps" else alpha * x - sigma * mean
        return coef1 * mean + coef2 * x, torch.lerp(low, high, (code + 1) / 2)

    def losses(self, network, x0, t, noise, y):
        """Squared error and variational term, each [batch]; the latter trains the variance code only."""
        k = self.table[:, t]
        x = k[0] * x0 + k[1] * noise
        output, channels = network(x, t, y).to(x0.dtype), x0.shape[1]
        mean, code = output[:, :channels], output[:, channels:]
        target = k[0] * noise - k[1] * x0 if self.prediction == "v" else {"eps": noise, "x0": x0}[self.prediction]
        mse = (mean - target).square().flatten(1).mean(1)
        if not self.with_vlb:
            return mse, torch.zeros_like(mse)
        center, logvar = self.posterior(mean.detach(), code, x, k)
        shift = k[4] * x0 + k[5] * x - center
        kl = 0.5 * (logvar - k[6] - 1 + (k[6] - logvar).exp() + shift.square() * (-logvar).exp())
        scale, off = (-0.5 * logvar).exp(), x0 - center  # the first step: a Gaussian on bins of 2/255
        upper, lower = normal_cdf(scale * (off + 1 / 255)), normal_cdf(scale * (off - 1 / 255))
        mass = torch.where(x0 < -0.999, upper, torch.where(x0 > 0.999, 1 - lower, upper - lower))
        vlb = torch.where((t == 0).view(-1, 1, 1, 1), -mass.clamp(min=1e-12).log(), kl)
        return mse, vlb.flatten(1).mean(1) / math.log(2)

    def step(self, output, x, t, noise):
        """One DDPM step with the learned variance."""
        center, logvar = self.posterior(*output.to(x.dtype).chunk(2, dim=1), x, self.table[:, t])
        return center + (t != 0).view(-1, 1, 1, 1) * (0.5 * logvar).exp() * noise


class Trainer:
    def __init__(self, model, diffusion, lr=1e-4, betas=(0.9, 0.999), weight_decay=0.0, clip=0.0, ema_decay=0.9999,
                 class_dropout=0.1, network=None):
        self.model, self.diffusion, self.network = model, diffusion, network or model
        self.ema_decay, self.class_dropout = ema_decay, class_dropout
        self.ema = copy.deepcopy(model).requires_grad_(False)
        group = {"params": list(model.parameters()), "lr": lr, "weight_decay": weight_decay}
        self.updates = Updates([group], list(self.ema.parameters()), betas, clip)

    def step(self, x0, y, t=None, noise=None):
        if t is None:
            t = torch.randint(self.diffusion.steps, (len(x0),), device=x0.device)
            noise = torch.randn_like(x0)
        if self.class_dropout > 0:
            y = y.masked_fill(torch.rand(len(y), device=y.device) < self.class_dropout, self.model.null_label)
        mse, vlb = self.diffusion.losses(self.network, x0, t, noise, y)
        return self.updates.apply((mse + vlb).mean(), self.ema_decay)


class Bench:
    """A model of a published size with random latents, ready to do training steps and sampling steps."""
    def __init__(self, args):
        torch.manual_seed(args.seed)
        self.args, self.device, self.diffusion = args, torch.device(args.device), Diffusion(device=args.device)
        self.model = self.network_of(args).to(args.device)
        self.network = Network(self.model, args.bf16, args.compile)
        self.latents = torch.randn(args.batch, args.channels, args.input, args.input, device=args.device)
        self.labels = torch.randint(self.model.null_label, (args.batch,), device=args.device)
        self.x, self.t = None, -1
        self.label = (f"{args.model} batch {args.batch} {'bf16' if args.bf16 else 'float32'} "
                      f"{'compiled' if args.compile else 'eager'} {args.threads} threads {args.device}")

    def network_of(self, args):
        size, patch = args.model.split("/")
        return DiT(args.input, int(patch), args.channels, *SIZES[size])

    @cached_property
    def trainer(self):
        """Made when the first training step asks for it: sampling needs no average."""
        return Trainer(self.model, self.diffusion, network=self.network)

    def train(self):
        self.trainer.step(self.latents, self.labels)

    @torch.inference_mode()
    def sample(self):
        if self.t < 0:  # begin a new chain
            self.x, self.t = torch.randn_like(self.latents), self.diffusion.steps - 1
        t = torch.full_like(self.labels, self.t)
        output = self.network(self.x, t, self.labels)
        self.x, self.t = self.diffusion.step(output, self.x, t, torch.randn_like(self.x)), self.t - 1


def load_pictures(path):
    """All pictures of a zip in sorted path order as uint8 [N, 3, H, W]; labels number the sorted folders."""
    import numpy as np
    from PIL import Image
    with zipfile.ZipFile(path) as archive:
        names = sorted(n for n in archive.namelist() if n.lower().endswith((".jpg", ".jpeg", ".png")))
        pixels = np.stack([np.asarray(Image.open(io.BytesIO(archive.read(n))).convert("RGB")) for n in names])
    folders = [n.rpartition("/")[0] for n in names]
    numbers = {folder: i for i, folder in enumerate(sorted(set(folders)))}
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.tensor([numbers[f] for f in folders])


@torch.inference_mode()
def validate(diffusion, network, x0, y, t, noise):
    return sum(sum(diffusion.losses(network, *part)).sum().item()
               for part in zip(*(whole.split(250) for whole in (x0, t, noise, y)))) / len(x0)


def run_train(args):
    from safetensors.torch import load_file
    config, device = json.loads(Path(args.config).read_text()), args.device
    steps, batch = args.steps or config["steps"], config["batchSize"]
    if config["loss"] == "mse-vlb" and not config["learnSigma"]:
        sys.exit("the loss mse-vlb needs learnSigma")
    torch.manual_seed(args.seed)
    pixels, labels = load_pictures(args.data)
    scaled = lambda rows: pixels[rows].to(device).float() / 127.5 - 1
    held = torch.tensor([int(word) for word in Path(args.val_indices).read_text().split()])[:args.val_count]
    noise, levels = (load_file(args.val_noise)[name][:len(held)].to(device) for name in ("noise", "t"))
    if len(noise) < len(held) or len(levels) < len(held):
        sys.exit(f"{args.val_noise} holds less than {len(held)} rows")
    held_out = scaled(held), labels[held].to(device), levels.long(), noise.float()
    pool = torch.ones(len(pixels)).index_fill(0, held, 0).nonzero().flatten()
    model = DiT(pixels.shape[-1], config["patchSize"], 3, config["hiddenSize"], config["depth"], config["numHeads"],
                config["mlpRatio"], config["numClasses"], config["learnSigma"]).to(device)
    diffusion = Diffusion(config["schedule"], config["prediction"], config["loss"], device=device)
    trainer = Trainer(model, diffusion, config["learningRate"], (config["beta1"], config["beta2"]),
                      config["weightDecay"], config["gradientClip"], config["emaDecay"], config["classDropout"],
                      Network(model, args.bf16, args.compile))
    validated = [Network(each, args.bf16) for each in (model, trainer.ema)]
    order, window, begin = pool[:0], [], time.perf_counter()
    with open(args.out, "w", newline="") as file:
        curve = csv.writer(file)
        curve.writerow(["step", "train_loss", "val_loss", "val_loss_ema"])
        for step in range(1, steps + 1):
            if len(order) < batch:  # a new epoch; an incomplete last batch is dropped
                order = pool[torch.randperm(len(pool))]
            rows, order = order[:batch], order[batch:]
            x0 = scaled(rows)
            x0 = torch.where(torch.rand(batch, 1, 1, 1, device=device) < 0.5, x0.flip(3), x0)
            for group in trainer.updates.optimizer.param_groups:
                group["lr"] = config["learningRate"] * min(1.0, step * batch / max(config["warmupImages"], 1))
            window.append(trainer.step(x0, labels[rows].to(device)))
            if step % args.val_every == 0 or step == steps:
                values = sum(window) / len(window), *(validate(diffusion, each, *held_out) for each in validated)
                curve.writerow([step, *values])
                file.flush()
                window = []
                emit(step=step, train_loss=values[0], val_loss=values[1], val_loss_ema=values[2],
                     seconds=time.perf_counter() - begin)


def run_check(args):
    vectors = Golden(args.golden)
    report = vectors.report

    def golden(name):
        g, config = vectors.read(name)
        if "model" not in config:
            return g, config, None
        model = DiT(**{k: v for k, v in config["model"].items() if k != "class_dropout_prob"}).double()
        model.load_state_dict({k[6:]: v for k, v in g.items() if k.startswith("param.")})
        model.freqs = timestep_frequencies()
        return g, config, model

    for name in ("linear", "squaredcos"):
        g, rows = golden(f"diffusion/schedule-{name}-1000")[0], Diffusion(name).exact.flatten(1)
        keys = {0: "sqrt_alphas_cumprod", 3: "sqrt_recipm1_alphas_cumprod", 6: "posterior_log_variance_clipped"}
        report(f"diffusion/schedule-{name}-1000", 1e-9, *((rows[i], g["out." + key]) for i, key in keys.items()))
    g, _, model = golden("dit/forward-p2-sigma")
    report("dit/forward-p2-sigma", 1e-9, (model(g["in.x"], g["in.t"], g["in.y"]), g["out.y.f64"]))
    report("dit/forward-p2-sigma pos_embed, stored in float32", 1e-7, (position_table(48, 4), model.pos_embed))
    g, _, model = golden("dit/gradients")
    model.freqs = torch.exp(-math.log(1e4) * torch.arange(128) / 128)  # these gradients belong to a float32 table
    output = model(g["in.x"].requires_grad_(), g["in.t"], g["in.y"])
    (output * g["in.cotangent"]).sum().backward()
    report("dit/gradients", 1e-9, (output, g["out.y"]), (g["in.x"].grad, g["gradin.x"]),
           *((p.grad, g["grad." + k]) for k, p in model.named_parameters()))
    exact, rounded = Diffusion(), Diffusion()
    exact.table, rounded.table = exact.exact, exact.exact.float().double()  # the published code rounds coefficients
    g = golden("diffusion/loss-default")[0]
    for diffusion, suffix in ((exact, ".f64"), (rounded, "")):
        output = g["in.model_output"].clone().requires_grad_()
        mse, vlb = diffusion.losses(lambda *_: output, g["in.x_start"], g["in.t"], g["in.noise"], None)
        ((mse + vlb) * g["in.cotangent"]).sum().backward()
        report("diffusion/loss-default" + suffix, 1e-9, (mse, g["out.mse" + suffix]), (vlb, g["out.vb" + suffix]),
               (mse + vlb, g["out.loss" + suffix]))
    report("diffusion/loss-default gradient", 1e-9, (output.grad, g["grad.model_output"]))  # rounded, the last above
    g = golden("diffusion/steps-learned-1000")[0]
    stepped = exact.step(g["in.model_output"], g["in.x"], g["in.t"], g["in.noise"])
    report("diffusion/steps-learned-1000", 1e-9, (stepped, g["out.p_sample.f64"]))
    for name in ("train/dit-adamw-ema", "train/dit-adamw-decay-clip"):
        g, config, model = golden(name)
        trainer = Trainer(model, rounded, config["lr"], config["betas"], config["weight_decay"], config["clip"],
                          config["ema_decay"], class_dropout=0.0)
        losses = []
        for x0, t, noise, y in zip(g["in.x0"], g["in.t"], g["in.noise"], g["in.y"]):
            parts = [part.mean().item() for part in rounded.losses(model, x0, t, noise, y)]
            losses.append([trainer.step(x0, y, t, noise), *parts])
        report(name, 1e-8, (torch.tensor(losses, dtype=torch.float64), g["out.losses.f64"]),
               *((p.data, g[f"out.{kind}.{k}.f64"]) for kind, m in (("param", model), ("ema", trainer.ema))
                 for k, p in m.named_parameters()))
    vectors.exit()


def add_latent_bench(add, bench):
    """The measuring commands of a peer on latents; returns the options on the machine."""
    machine, sized = argparse.ArgumentParser(add_help=False), argparse.ArgumentParser(add_help=False)
    add_machine_options(machine)
    sized.add_argument("--model", default="S/2", help="S, B, L or XL, a slash and the patch size")
    for name, value in (("--batch", 8), ("--input", 32), ("--channels", 4)):
        sized.add_argument(name, type=int, default=value)
    add_bench_commands(add, bench, machine, sized)
    return machine


def commands(add):
    machine = add_latent_bench(add, Bench)
    command = add("train", run_train, machine)
    for name in ("--data", "--config", "--out", "--val-indices", "--val-noise"):
        command.add_argument(name, required=True)
    command.add_argument("--steps", type=int, help="instead of the configuration's")
    command.add_argument("--val-count", type=int, help="hold out so many of the listed indices, the first; default all")
    command.add_argument("--val-every", type=int, default=500)
    add("check", run_check).add_argument("golden")


if __name__ == "__main__":
    run(argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter), commands)
