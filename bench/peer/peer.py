"""What the peers share: one way to update weights, to obey the driver's protocol, and to compare with golden vectors."""
import json
import os
import sys
import time
from pathlib import Path

import torch
from torch import nn


def since_process_start():
    """Seconds since the kernel started this process: the interpreter's start and the imports count."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def peak_rss_mb():
    """VmHWM, not getrusage: the latter may carry the parent's peak through exec."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def emit(**result):
    print(json.dumps(result), flush=True)


class Network:
    """A model as training and sampling call it: compiled if asked for, under autocast if asked for."""
    def __init__(self, model, bf16=False, compiled=False):
        self.run, self.bf16 = torch.compile(model) if compiled else model, bf16

    def __call__(self, x, *rest):
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            return self.run(x, *rest)


class Updates:
    """AdamW in its fused form over groups of parameters, clipping, and a moving average of all weights."""
    def __init__(self, groups, averages, betas, clip=0.0):
        self.optimizer = torch.optim.AdamW(groups, betas=betas, fused=True)
        self.params = [parameter for group in groups for parameter in group["params"]]
        self.averages, self.clip = averages, clip

    def apply(self, loss, decay):
        value = loss.item()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.clip > 0:
            nn.utils.clip_grad_norm_(self.params, self.clip)
        self.optimizer.step()
        torch._foreach_lerp_(self.averages, self.params, 1 - decay)
        return value


def timed(bench, command, count):
    step, seconds = {"train": bench.train, "sample": bench.sample}[command], []
    for _ in range(count):
        begin = time.perf_counter()
        step()
        if bench.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    return seconds


def run_steps(bench, command, warmup, iterations):
    first = timed(bench, command, 1)[0]
    started = since_process_start()
    timed(bench, command, warmup - 1)
    emit(name=f"{command} step {bench.label}", seconds=timed(bench, command, iterations), peak_rss_mb=peak_rss_mb(),
         start_to_first_step_s=started, first_step_s=first, torch=torch.__version__)


def serve(bench):
    emit(ready=True, name=bench.label, start_to_ready_s=since_process_start(), torch=torch.__version__)
    for command, *rest in (line.split() for line in sys.stdin if line.strip()):
        if command in ("train", "sample"):
            emit(command=command, seconds=timed(bench, command, int(rest[0]) if rest else 1))
        elif command == "rss":
            emit(command=command, peak_rss_mb=peak_rss_mb())
        elif command == "quit":
            break
        else:
            emit(command=command, error="unknown command")


class Golden:
    """A folder of golden vectors, and what did not agree with them."""
    def __init__(self, folder):
        self.folder, self.failed = Path(folder), []

    def read(self, name):
        """Tensors, floating ones in float64, and the configuration they were made with."""
        from safetensors import safe_open
        with safe_open(self.folder / f"{name}.safetensors", "pt") as file:
            config, tensors = json.loads(file.metadata()["config"]), {k: file.get_tensor(k) for k in file.keys()}
        return {k: v.double() if v.is_floating_point() else v for k, v in tensors.items()}, config

    def report(self, name, limit, *pairs):
        """Compares pairs; errors are relative to the largest value of a tensor that exceeds 1."""
        error = torch.stack([(a - b).detach().abs().max() / b.abs().max().clamp(min=1) for a, b in pairs]).max().item()
        emit(check=name, tensors=len(pairs), max_error=error, limit=limit, ok=error <= limit)
        if not error <= limit:
            self.failed.append(name)

    def exit(self):
        sys.exit(1 if self.failed else 0)


def add_machine_options(parser):
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)


def add_bench_commands(add, bench, *parents):
    """The commands train-step, sample-step and serve of a peer; `bench` makes it ready from the parsed arguments."""
    for command in ("train", "sample"):
        parser = add(f"{command}-step", lambda args, command=command: run_steps(
            bench(args), command, args.warmup, args.iterations), *parents)
        parser.add_argument("--iterations", type=int, default=10)
        parser.add_argument("--warmup", type=int, default=3, help="untimed steps before, at least 1")
    add("serve", lambda args: serve(bench(args)), *parents)


def run(parser, commands):
    """Parses the command line and obeys it; `commands` adds the subcommands by the function it is given."""
    subparsers = parser.add_subparsers(dest="command", required=True)

    def add(name, obey, *parents):
        command = subparsers.add_parser(name, parents=parents)
        command.set_defaults(obey=obey)
        return command

    commands(add)
    args = parser.parse_args()
    torch.set_num_threads(getattr(args, "threads", 1))
    args.obey(args)
