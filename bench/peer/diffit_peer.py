#!/usr/bin/env python3
"""PyTorch peer of Mezzotint's latent DiffiT: the same network in plain PyTorch, with DiT's losses and training step.
Written from the description (arXiv 2312.02139); nothing is copied from its reference implementation.

  train-step   time whole training steps on random latents
  sample-step  time single DDPM sampling steps
  serve        stay alive and obey `train N`, `sample N`, `rss`, `quit` read from standard input
  check        compare with the golden vectors in float64
Every result is one line of JSON on standard output.
"""
import argparse
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

import dit_peer
from dit_peer import SIZES, position_table, timestep_frequencies
from peer import Golden, run


def relative_position_index(side):
    """Which entry of the table belongs to a query and a key of a square window, [side², side²]."""
    row, column = (axis.flatten() for axis in torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"))
    down, across = (axis[:, None] - axis[None, :] + side - 1 for axis in (row, column))
    return down * (2 * side - 1) + across


class Attention(nn.Module):
    """Self-attention of all tokens with a term of the condition in query, key and value, and relative positions."""
    def __init__(self, width, heads, side):
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * side - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_position_index(side))
        self.qkv_temb, self.qkv = nn.Linear(width, 3 * width), nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        nn.init.normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x, c):
        b, n, d = x.shape
        qkv = self.qkv(x) + self.qkv_temb(c).unsqueeze(1)
        q, k, v = qkv.view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)].view(n, n, -1).permute(2, 0, 1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.unsqueeze(0).to(q.dtype))
        return self.proj(y.transpose(1, 2).reshape(b, n, d))


class Block(nn.Module):
    def __init__(self, width, heads, ratio, side):
        super().__init__()
        hidden = int(width * ratio)
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attn = Attention(width, heads, side)
        self.mlp = nn.Sequential(OrderedDict(
            fc1=nn.Linear(width, hidden), act=nn.GELU(approximate="tanh"), fc2=nn.Linear(hidden, width)))

    def forward(self, x, c):
        x = x + self.attn(self.norm(x), c)
        return x + self.mlp(self.norm(x))


class DiffiT(nn.Module):
    """The latent transformer; parameters bear the published names. Label `num_classes` means "no label"."""
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
        self.blocks = nn.ModuleList(Block(hidden_size, num_heads, mlp_ratio, self.grid) for _ in range(depth))
        self.norm = nn.LayerNorm(hidden_size, elementwise_affine=False, eps=1e-6)
        self.final_layer = nn.ModuleDict({
            "linear": nn.Linear(hidden_size, patch_size * patch_size * self.out_channels)})
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.xavier_uniform_(module.weight.data.flatten(1))
                nn.init.zeros_(module.bias)
        for layer in (self.y_embedder["embedding_table"], self.t_embedder["mlp"][0], self.t_embedder["mlp"][2]):
            nn.init.normal_(layer.weight, std=0.02)
        nn.init.zeros_(self.final_layer["linear"].weight)

    def forward(self, x, t, y):
        angle = t[:, None].to(self.freqs.dtype) * self.freqs
        c = self.t_embedder["mlp"](torch.cat([angle.cos(), angle.sin()], dim=1).to(x.dtype))
        c = c + self.y_embedder["embedding_table"](y)
        x = self.x_embedder["proj"](x).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            x = block(x, c)
        x = self.final_layer["linear"](F.silu(self.norm(x)))
        x = x.view(-1, self.grid, self.grid, self.patch, self.patch, self.out_channels)
        return x.permute(0, 5, 1, 3, 2, 4).reshape(len(x), self.out_channels, self.grid * self.patch, -1)


class Bench(dit_peer.Bench):
    """The same steps of a DiffiT in one of DiT's sizes."""
    def network_of(self, args):
        size, patch = args.model.split("/")
        return DiffiT(args.input, int(patch), args.channels, *SIZES[size])


def run_check(args):
    vectors = Golden(args.golden)

    def golden(name):
        g, config = vectors.read(name)
        model = DiffiT(**config["model"]).double()
        model.load_state_dict({k[6:]: v for k, v in g.items() if k.startswith("param.")})
        model.freqs = timestep_frequencies()
        return g, model

    g, model = golden("diffit/forward")
    vectors.report("diffit/forward", 1e-9, (model(g["in.x"], g["in.t"], g["in.y"]), g["out.y.f64"]))
    g, model = golden("diffit/gradients")
    model.freqs = timestep_frequencies().float()  # these gradients belong to a float32 table
    output = model(g["in.x"].requires_grad_(), g["in.t"], g["in.y"])
    (output * g["in.cotangent"]).sum().backward()
    vectors.report("diffit/gradients", 1e-6, (output, g["out.y"]), (g["in.x"].grad, g["gradin.x"]),
                   *((p.grad, g["grad." + k]) for k, p in model.named_parameters()))
    vectors.exit()


def commands(add):
    dit_peer.add_latent_bench(add, Bench)
    add("check", run_check).add_argument("golden")


if __name__ == "__main__":
    run(argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter), commands)
