#!/usr/bin/env python3
"""PyTorch peer of Mezzotint's HDiT: the same network, loss and update in plain PyTorch, with the local attention that a
Python user gets on a CPU. Written from the description (arXiv 2401.11605); nothing is copied from other implementations.

  train-step   time whole training steps on random pictures
  sample-step  time single sampling steps: one evaluation, one step of Euler's method
  serve        stay alive and obey `train N`, `sample N`, `rss`, `quit` read from standard input
  check        compare with the golden vectors in float64
Every result is one line of JSON on standard output. Local attention, --attention:

  masked-sdpa  scaled_dot_product_attention of all tokens under a boolean mask that is made once for each level
  flex         flex_attention with a block mask, the network under torch.compile; sampling only, as it has no backward
               pass on a CPU
"""
import argparse
import math
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.utils.checkpoint import checkpoint

from peer import Golden, Network, Updates, add_bench_commands, add_machine_options, run

SIGMA_DATA = 0.5


def rms_norm(x, scale):
    """x · scale / √(mean(x²) + 10⁻⁶); through the norm, which measured faster here than squares or F.rms_norm."""
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x * (scale * torch.rsqrt(norm * norm / x.shape[-1] + 1e-6))


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return rms_norm(x, self.scale)


class AdaRMSNorm(nn.Module):
    """An RMS norm whose scale is 1 plus a projection of the conditioning vector."""
    def __init__(self, width, condition):
        super().__init__()
        self.linear = nn.Linear(condition, width, bias=False)
        nn.init.zeros_(self.linear.weight)

    def forward(self, x, c):
        return rms_norm(x, 1 + self.linear(c)[:, None, None])


class FeedForward(nn.Module):
    """GEGLU between two projections, around a residual; `norm` and what follows it in a call normalise the input."""
    def __init__(self, width, hidden, norm):
        super().__init__()
        self.norm = norm
        self.up_proj = nn.Linear(width, 2 * hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)
        nn.init.zeros_(self.down_proj.weight)

    def forward(self, x, *c):
        value, gate = self.up_proj(self.norm(x, *c)).chunk(2, dim=-1)
        return x + self.down_proj(value * F.gelu(gate))


class Mapping(nn.Module):
    def __init__(self, width, depth, hidden):
        super().__init__()
        self.in_norm, self.out_norm = RMSNorm(width), RMSNorm(width)
        self.blocks = nn.ModuleList(FeedForward(width, hidden, RMSNorm(width)) for _ in range(depth))

    def forward(self, c):
        c = self.in_norm(c)
        for block in self.blocks:
            c = block(c)
        return self.out_norm(c)


class FourierFeatures(nn.Module):
    def __init__(self, inputs, width):
        super().__init__()
        self.register_buffer("weight", torch.randn(width // 2, inputs))

    def forward(self, x):
        angle = 2 * math.pi * x @ self.weight.T
        return torch.cat([angle.cos(), angle.sin()], dim=-1)


def neighbourhood(side, kernel):
    """Whether query q sees key k, for tensors of token numbers: k lies in the square around q, shifted into the map."""
    def first(at):
        return (at - kernel // 2).clamp(0, side - kernel)

    def sees(batch, head, q, k):
        row, column = k // side - first(q // side), k % side - first(q % side)
        return (row >= 0) & (row < kernel) & (column >= 0) & (column < kernel)
    return sees


def block_mask(sees, rows, tokens):
    """Which blocks of 128 keys the queries of each block see; create_block_mask would hold the whole mask to find out."""
    blocks = math.ceil(tokens / 128)
    seen = torch.stack([F.pad(row.any(0), (0, blocks * 128 - tokens)).view(blocks, 128).any(1) for row in rows])
    order = seen.int().argsort(dim=1, descending=True, stable=True).int()  # the seen ones first
    return BlockMask.from_kv_blocks(seen.sum(1, dtype=torch.int32)[None, None], order[None, None], BLOCK_SIZE=128,
                                    mask_mod=sees, seq_lengths=(tokens, tokens))


class Grid:
    """What the blocks of a level share: positions, and attention over q, k, v [N, heads, tokens, head width]."""
    def __init__(self, side, kernel, attention, device):
        self.side, centre = side, (2 * torch.arange(side, dtype=torch.float64, device=device) + 1) / side - 1
        self.positions = torch.stack(torch.meshgrid(centre, centre, indexing="ij"), dim=-1)  # y, x
        self.mask = self.block_mask = None
        if kernel is not None:
            tokens, sees = torch.arange(side * side, device=device), neighbourhood(side, kernel)
            rows = (sees(0, 0, part[:, None], tokens) for part in tokens.split(128))
            if attention == "flex":
                self.block_mask = block_mask(sees, rows, side * side)
            else:
                self.mask = torch.cat(list(rows))

    def attend(self, q, k, v):
        if self.block_mask is not None:
            q, k, v = q.contiguous(), k.contiguous(), v.contiguous()  # torch 2.10 compiles other strides wrongly
            return flex_attention(q, k, v, block_mask=self.block_mask, scale=1.0)
        return F.scaled_dot_product_attention(q, k, v, self.mask, scale=1.0)


class AxialRope(nn.Module):
    """Turns a half of each head's channels by angles that grow with row and column; the table is made once."""
    def __init__(self, heads, head_width, grid):
        super().__init__()
        n = head_width // 8
        line = torch.linspace(math.log(math.pi), math.log(10 * math.pi), heads * n + 1, dtype=torch.float64)[:-1]
        self.register_buffer("freqs", line.exp().view(n, heads).T.contiguous().float())
        self.grid, self.n = grid, n
        self.tabulate()

    def tabulate(self):
        y, x = self.grid.positions[..., None, None].to(self.freqs.dtype).unbind(2)
        angle = torch.cat([y * self.freqs.to(y.device), x * self.freqs.to(y.device)], dim=-1)  # rows, columns, heads, 2n
        self.table = angle.cos(), angle.sin()

    def forward(self, x):
        a, b, rest = x.split([2 * self.n, 2 * self.n, x.shape[-1] - 4 * self.n], dim=-1)
        cos, sin = self.table
        return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], dim=-1)


class SelfAttention(nn.Module):
    """Attention by cosine similarity, around a residual."""
    def __init__(self, width, head_width, condition, grid):
        super().__init__()
        self.grid, self.heads = grid, width // head_width
        self.scale = nn.Parameter(torch.full((self.heads,), 10.0))
        self.norm = AdaRMSNorm(width, condition)
        self.qkv_proj = nn.Linear(width, 3 * width, bias=False)
        self.pos_emb = AxialRope(self.heads, head_width, grid)
        self.out_proj = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.out_proj.weight)

    def unit(self, x):
        return self.pos_emb(x * (self.scale.sqrt()[:, None] * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6)))

    def forward(self, x, c):
        q, k, v = self.qkv_proj(self.norm(x, c)).unflatten(-1, (3, self.heads, -1)).unbind(3)  # [N, H, W, heads, d]
        q, k, v = (part.to(v.dtype).flatten(1, 2).transpose(1, 2) for part in (self.unit(q), self.unit(k), v))
        return x + self.out_proj(self.grid.attend(q, k, v).transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    def __init__(self, width, hidden, head_width, condition, grid):
        super().__init__()
        self.self_attn = SelfAttention(width, head_width, condition, grid)
        self.ff = FeedForward(width, hidden, AdaRMSNorm(width, condition))

    def forward(self, x, c):
        return self.ff(self.self_attn(x, c), c)


class Merge(nn.Module):
    """Joins each square of tokens into one."""
    def __init__(self, inputs, outputs, side):
        super().__init__()
        self.side, self.proj = side, nn.Linear(side * side * inputs, outputs, bias=False)

    def forward(self, x):
        x = x.unflatten(2, (-1, self.side)).unflatten(1, (-1, self.side))  # N, H, side, W, side, D
        return self.proj(x.transpose(2, 3).flatten(3))


class Split(nn.Module):
    """Splits each token into a square."""
    def __init__(self, inputs, outputs, side):
        super().__init__()
        self.side, self.proj = side, nn.Linear(inputs, side * side * outputs, bias=False)

    def forward(self, x):
        x = self.proj(x).unflatten(3, (self.side, self.side, -1))  # N, H, W, side, side, D
        return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


class SkipSplit(Split):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, 2)
        self.fac = nn.Parameter(torch.full((1,), 0.5))

    def forward(self, x, skip):
        return torch.lerp(skip, super().forward(x).to(skip.dtype), self.fac.to(skip.dtype))


class HDiT(nn.Module):
    """
    The hourglass; parameters bear the published names. A level is (width, depth, hidden width, head width, kernel), from
    the outermost to the innermost; without a kernel its attention is global. `mapping` is (width, depth, hidden width).
    Label `num_classes` means "no label".
    """
    def __init__(self, size, patch, channels, levels, mapping, num_classes=0, attention="masked-sdpa",
                 checkpointing=False, device="cpu"):
        super().__init__()
        self.checkpointing, self.null_label, width = checkpointing, num_classes, mapping[0]
        linear = lambda: nn.Linear(width, width, bias=False)
        grids = [Grid(size // patch >> i, level[4], attention, device) for i, level in enumerate(levels)]
        blocks = lambda i: nn.ModuleList(
            Block(levels[i][0], levels[i][2], levels[i][3], width, grids[i]) for _ in range(levels[i][1]))
        outer, inward = range(len(levels) - 1), [level[0] for level in levels]
        self.patch_in = Merge(channels, inward[0], patch)
        self.time_emb, self.time_in_proj = FourierFeatures(1, width), linear()
        self.aug_emb, self.aug_in_proj = FourierFeatures(9, width), linear()
        if num_classes:
            self.class_emb = nn.Embedding(num_classes + 1, width)
        self.mapping = Mapping(*mapping)
        self.down_levels, self.up_levels = (nn.ModuleList(blocks(i) for i in outer) for _ in range(2))
        self.mid_level = blocks(len(levels) - 1)
        self.merges = nn.ModuleList(Merge(inward[i], inward[i + 1], 2) for i in outer)
        self.splits = nn.ModuleList(SkipSplit(inward[i + 1], inward[i]) for i in outer)
        self.out_norm, self.patch_out = RMSNorm(inward[0]), Split(inward[0], channels, patch)
        nn.init.zeros_(self.patch_out.proj.weight)

    def through(self, blocks, x, c):
        for block in blocks:
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, c, use_reentrant=False)
            else:
                x = block(x, c)
        return x

    def forward(self, x, sigma, y=None, augmentation=None):
        if augmentation is None:
            augmentation = x.new_zeros(len(x), 9)
        c = self.time_in_proj(self.time_emb(sigma.log()[:, None] / 4)) + self.aug_in_proj(self.aug_emb(augmentation))
        c = self.mapping(c if y is None else c + self.class_emb(y))
        x, skips = self.patch_in(x.permute(0, 2, 3, 1)), []  # [N, H, W, D]
        for blocks, merge in zip(self.down_levels, self.merges):
            skips.append(self.through(blocks, x, c))
            x = merge(skips[-1])
        x = self.through(self.mid_level, x, c)
        for blocks, split in zip(reversed(self.up_levels), reversed(self.splits)):
            x = self.through(blocks, split(x, skips.pop()), c)
        return self.patch_out(self.out_norm(x)).permute(0, 3, 1, 2).contiguous().to(sigma.dtype)

    def groups(self, lr, weight_decay):
        """Parameters as the optimiser treats them: a third of the rate behind the mapping; decay of projections only."""
        groups = {}
        for name, parameter in self.named_parameters():
            mapped = name.startswith("mapping.") or name.endswith("norm.linear.weight")
            decayed = name.endswith(".weight") and not name.startswith(("time_in_proj", "aug_in_proj", "class_emb"))
            groups.setdefault((mapped, decayed), []).append(parameter)
        return [{"params": params, "lr": lr / 3 if mapped else lr, "weight_decay": weight_decay if decayed else 0.0}
                for (mapped, decayed), params in groups.items()]


def bench_model(size, **options):
    """The family that is measured: 16x16 tokens of width 256 inside, a local level of width 128 for each doubling."""
    levels = [(128, 2, 384, 64, 7)] * int(math.log2(size // 64)) + [(256, 8, 768, 64, None)]
    if size != 64 << len(levels) - 1:
        raise SystemExit(f"--size must be 64, doubled any number of times, got {size}")
    return HDiT(size, 4, 3, levels, (256, 2, 768), 1000, **options)


def scalings(sigma):
    """c_skip, c_out, c_in of a batch's noise levels, each [N, 1, 1, 1]."""
    sigma = sigma.view(-1, 1, 1, 1)
    total = sigma.square() + SIGMA_DATA ** 2
    return SIGMA_DATA ** 2 / total, sigma * SIGMA_DATA * total.rsqrt(), total.rsqrt()


def losses(network, x0, sigma, noise, *cond):
    """Soft-min-SNR weighted squared error of the preconditioned output, [N]."""
    skip, out, scale = scalings(sigma)
    x = x0 + sigma.view(-1, 1, 1, 1) * noise
    error = network(x * scale, sigma, *cond) - (x0 - skip * x) / out
    return error.square().flatten(1).mean(1) * (sigma * SIGMA_DATA / (sigma.square() + SIGMA_DATA ** 2)).square()


def euler(network, x, sigma, following, *cond):
    """One step of Euler's method along the probability flow, all pictures from one level to the next."""
    skip, out, scale = scalings(sigma)
    denoised = skip * x + out * network(x * scale, sigma, *cond)
    return x + (x - denoised) * ((following - sigma) / sigma).view(-1, 1, 1, 1)


class Bench:
    """The measured model with random pictures at fixed noise levels."""
    def __init__(self, args):
        flex = args.attention == "flex"
        if flex and args.checkpointing:
            raise SystemExit("--checkpointing is for training, which --attention flex cannot do")
        torch.manual_seed(args.seed)
        self.device, n = torch.device(args.device), args.batch
        self.model = bench_model(args.size, attention=args.attention, checkpointing=args.checkpointing,
                                 device=self.device).to(self.device)
        self.network = Network(self.model, args.bf16, args.compile or flex)
        self.x0 = torch.randn(n, 3, args.size, args.size, device=self.device)
        self.labels = torch.arange(n, device=self.device) * 37 % 1000
        self.sigma = torch.logspace(-1, 1, n + 1, device=self.device)[:n]
        self.start, self.levels = 10 * self.x0, torch.tensor([10.0, 9.0], device=self.device).expand(n, 2).unbind(1)
        self.label = (f"HDiT {args.size} pixels batch {n} {'bf16' if args.bf16 else 'float32'} {args.attention} "
                      f"{'compiled' if args.compile or flex else 'eager'} {args.threads} threads {args.device}")

    @cached_property
    def updates(self):
        return Updates(self.model.groups(5e-4, 0.01), [p.detach().clone() for g in self.model.groups(0, 0)
                                                       for p in g["params"]], (0.9, 0.95))

    def train(self):
        noise = torch.randn_like(self.x0)
        return self.updates.apply(losses(self.network, self.x0, self.sigma, noise, self.labels).mean(), 0.9999)

    @torch.inference_mode()
    def sample(self):
        return euler(self.network, self.start, *self.levels, self.labels)


def run_check(args):
    vectors = Golden(args.golden)

    def golden(name, **options):
        g, config = vectors.read(name)
        m, classes = config["config"]["model"], config["config"]["dataset"]["num_classes"]
        levels = [(*shape, a["d_head"], a.get("kernel_size")) for *shape, a in zip(
            m["widths"], m["depths"], m["d_ffs"], m["self_attns"])]
        mapping = m["mapping_width"], m["mapping_depth"], m["mapping_d_ff"]
        model = HDiT(m["input_size"][0], m["patch_size"][0], 3, levels, mapping, classes, **options).double()
        model.load_state_dict({k[6:]: v for k, v in g.items() if k.startswith("param.")})
        for module in model.modules():
            if isinstance(module, AxialRope):
                module.tabulate()
        return g, config, model

    for name in ("global-1level", "natten7-2level", "natten7-3level", "natten5-3-3level"):
        for options in ({}, {"checkpointing": True}):
            g, _, model = golden(f"hdit/model-{name}", **options)
            y = model(g["in.x"].requires_grad_(), g["in.sigma"])
            pairs = [(y, g["out.y"])]
            if "in.cotangent" in g:
                (y * g["in.cotangent"]).sum().backward()
                pairs += [(g["in.x"].grad, g["grad.in.x"]),
                          *((p.grad, g["grad." + k]) for k, p in model.named_parameters())]
            vectors.report(f"hdit/model-{name} {options or ''}".strip(), 1e-10, *pairs)
        g, _, model = golden(f"hdit/model-{name}", attention="flex")
        with torch.inference_mode():
            vectors.report(f"hdit/model-{name} flex", 1e-10, (model(g["in.x"], g["in.sigma"]), g["out.y"]))
    g, _, model = golden("hdit/model-natten7-2level", attention="flex")
    with torch.inference_mode():
        y = torch.compile(model.float())(g["in.x"].float(), g["in.sigma"].float()).double()
    vectors.report("hdit/model-natten7-2level flex, compiled, float32", 1e-4, (y, g["out.y"]))
    g = vectors.read("karras/loss-soft-min-snr")[0]
    output = g["in.model_output"].clone().requires_grad_()
    each = losses(lambda *_: output, g["in.input"], g["in.sigma"], g["in.noise"])
    each.mean().backward()
    vectors.report("karras/loss-soft-min-snr", 1e-10, (each, g["out.losses"]), (output.grad, g["grad.in.model_output"]))
    g, config, model = golden("train/hdit-soft-min-snr")
    named = list(model.named_parameters())
    names = {parameter: name for name, parameter in named}
    groups = model.groups(config["lr"], config["weight_decay"])
    averages = {names[p]: p.detach().clone() for group in groups for p in group["params"]}
    updates = Updates(groups, list(averages.values()), config["betas"], config["clip"])
    values = [updates.apply(losses(model, x0, sigma, noise, y, aug).mean(), decay.item()) for x0, sigma, noise, y, aug, decay
              in zip(*(g["in." + key] for key in ("x0", "sigma", "noise", "y", "aug")), g["out.ema_decays"])]
    vectors.report("train/hdit-soft-min-snr", 1e-8, (torch.tensor(values, dtype=torch.float64), g["out.losses"]),
                   *((p.data, g["out.param." + k]) for k, p in named),
                   *((averages[k], g["out.ema." + k]) for k, _ in named))
    vectors.exit()


def commands(add):
    machine, sized = argparse.ArgumentParser(add_help=False), argparse.ArgumentParser(add_help=False)
    add_machine_options(machine)
    sized.add_argument("--size", type=int, default=256, help="side of the picture: 64, doubled any number of times")
    sized.add_argument("--batch", type=int, default=1)
    sized.add_argument("--attention", choices=("masked-sdpa", "flex"), default="masked-sdpa")
    sized.add_argument("--checkpointing", action="store_true", help="keep only the blocks' inputs for the backward pass")
    add_bench_commands(add, Bench, machine, sized)
    add("check", run_check).add_argument("golden")


if __name__ == "__main__":
    run(argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter), commands)
