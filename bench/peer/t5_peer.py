#!/usr/bin/env python3
"""Hugging Face transformers' T5 encoder on given token ids: TextEncoding measures it beside ours."""
import argparse

import torch

from peer import add_machine_options, emit, run, serve


def read(path):
    """Batches in order: ids (N, T) and a mask of the same shape."""
    from safetensors.torch import load_file
    tensors = load_file(path)
    return [(tensors[f"ids.{i}"], tensors[f"mask.{i}"]) for i in range(len(tensors) // 2)]


class Bench:
    train = None  # encoders are not trained

    def __init__(self, args):
        import transformers
        self.device = torch.device(args.device)
        kind = torch.bfloat16 if args.bf16 else torch.float32
        model = transformers.T5EncoderModel.from_pretrained(args.folder, dtype=kind).to(self.device).eval()
        self.label = f"transformers {transformers.__version__} {args.folder} {kind}"
        self.model = torch.compile(model) if args.compile else model
        self.batches = [(ids.to(self.device), mask.to(self.device)) for ids, mask in read(args.ids)]
        self.at = 0

    def encode(self, i):
        ids, mask = self.batches[i]
        with torch.inference_mode():
            return self.model(input_ids=ids, attention_mask=mask).last_hidden_state

    def sample(self):
        """One batch, the next of all."""
        states = self.encode(self.at)
        self.at = (self.at + 1) % len(self.batches)
        return states


def write_states(args):
    from safetensors.torch import save_file
    bench = Bench(args)
    save_file({"states": bench.encode(0).float().cpu().contiguous()}, args.out)
    emit(name=bench.label, wrote=args.out)


def commands(add):
    machine, given = argparse.ArgumentParser(add_help=False), argparse.ArgumentParser(add_help=False)
    add_machine_options(machine)
    given.add_argument("folder", help="config.json and model.safetensors")
    given.add_argument("ids", help="safetensors with ids.0, mask.0, ids.1, …")
    add("serve", lambda args: serve(Bench(args)), machine, given)
    add("states", write_states, machine, given).add_argument("--out", required=True)


if __name__ == "__main__":
    run(argparse.ArgumentParser(description=__doc__), commands)
