#!/bin/sh
# Kills training with SIGKILL at random moments and resumes it, many times:
#
#   bench/kill-test.sh [KILLS] [FOLDER]
#
# KILLS defaults to 200 (about 3 s each), FOLDER to a temporary one that is removed if all went well. Every third kill comes at
# a random moment after the process was started, the others after the run has started, when it steps and writes. After each
# kill every numbered checkpoint must be complete and progress must not have gone back; after each resume the leftovers of the
# last kill must be gone and the run must go on from its newest checkpoint. In the end weights, optimiser and metrics
# must equal those of a run that nobody killed. MEZZOTINT names another launcher.
set -eu

kills=${1:-200}
root=$(cd "$(dirname "$0")/.." && pwd)
tool=${MEZZOTINT:-$root/mezzotint}
work=${2:-$(mktemp -d "${TMPDIR:-/tmp}/mezzotint-kill.XXXXXX")}
mkdir -p "$work"
out=$work/killed
pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || :' EXIT INT TERM

fail() {
  echo "FAILED: $* (see $work)" >&2
  exit 1
}

cat >"$work/tiny.yaml" <<'RECIPE'
model: {type: dit, height: 8, width: 8, channels: 3, patchSize: 2, hiddenSize: 16, depth: 2, numHeads: 2, mlpRatio: 2.0,
  numClasses: 4, nullClass: true, learnSigma: false, conditioning: adaln-zero}
diffusion: {type: scheduled, schedule: {type: squared-cosine, steps: 100}, parameterization: v, variance: fixed-small, loss: mse,
  weighting: {type: uniform}}
data: {type: shapes, size: 300, shapes: 2, colours: 2, seed: 3, augmentation: 0.0, loaderThreads: 1, onBroken: fail}
training: {seed: 0, durationImages: 100000000, batchSize: 8, accumulation: 1, precision: float32, activationCheckpointing: false,
  learningRate: 0.001, schedule: {type: constant, warmupImages: 1600}, beta1: 0.9, beta2: 0.99, epsilon: 1.0e-8,
  weightDecay: 0.01, gradientClip: 1.0, ema: {type: constant, decay: 0.99}, classDropout: 0.2}
validation: {images: 6, everyImages: 3200}
checkpoints: {everyImages: 120, keep: 3, milestoneImages: 0}
previews: {everyImages: 4800, count: 4}
sampling: {solver: ddim, eta: 0.0, steps: "5", grid: {type: schedule}, guidance: 1.5, guidanceSchedule: {type: constant}, guidedChannels: all, roundTimes: false, clip: true}
expected: {result: "none", hardware: "any", minutes: 0.1}
RECIPE

# Numbers of all published checkpoints, the newest last.
checkpoints() {
  ls "$1/checkpoints" 2>/dev/null | grep -E '^[0-9]{9,}$' | sort || :
}

newest() {
  checkpoints "$1" | tail -n 1 | sed 's/^0*\(.\)/\1/'
}

# A checkpoint has exactly these files, and their checksums are the recorded ones.
complete() {
  (
    cd "$1"
    [ "$(ls -A | sort | tr '\n' ' ')" = "checksums.json model.safetensors optimizer.safetensors progress.json " ] &&
      tr ',{}' '\n\n\n' <checksums.json | sed -n 's/^"\([^"]*\)":"\([0-9a-f]\{64\}\)"$/\2  \1/p' >"$work/sums" &&
      [ "$(wc -l <"$work/sums")" -eq 3 ] && sha256sum -c --quiet "$work/sums" &&
      grep -q "\"images\":$(basename "$1" | sed 's/^0*//')," progress.json
  ) || fail "checkpoint $1 is not complete"
}

temporaries() {
  find "$out" -name '.*.tmp' -prune 2>/dev/null | sort || :
}

started() {
  grep -cE ' (start|resume at [0-9]+ pictures), seed ' "$out/log.txt" 2>/dev/null || :
}

# Seconds below a number of milliseconds.
random() {
  n=$(od -An -N2 -tu2 /dev/urandom)
  n=$((n % $1))
  printf '%d.%03d' $((n / 1000)) $((n % 1000))
}

launch() {
  if [ -f "$out/config.yaml" ]; then
    set -- --resume "$@"
  fi
  "$tool" train "$work/tiny.yaml" --out "$out" --seed 7 --threads 1 "$@" >"$work/console" 2>&1 &
  pid=$!
}

# What the run must have done before it counts as started: the leftovers are gone, and it goes on from the newest checkpoint.
check_start() {
  for leftover in $1; do
    [ ! -e "$leftover" ] || fail "$leftover was not removed by the resumed run"
  done
  said=$(grep -E ' (start|resume at [0-9]+ pictures), seed ' "$out/log.txt" | tail -n 1 |
    sed -n 's/.* resume at \([0-9]*\) pictures.*/\1/p')
  [ "${said:-0}" -eq "${2:-0}" ] || fail "resumed at ${said:-0} pictures, the newest checkpoint was ${2:-0}"
}

early=0
writing=0
cycle=0
while [ "$cycle" -lt "$kills" ]; do
  cycle=$((cycle + 1))
  left=$(temporaries)
  before=$(newest "$out")
  runs=$(started)
  launch
  if [ $((cycle % 3)) -eq 0 ]; then
    delay=$(random 3000)
  else
    waited=0
    while [ "$(started)" -le "${runs:-0}" ] 2>/dev/null || [ ! -f "$out/log.txt" ]; do
      waited=$((waited + 1))
      [ "$waited" -lt 3000 ] && kill -0 "$pid" 2>/dev/null || fail "the run does not start: $(tail -n 3 "$work/console")"
      sleep 0.02
    done
    delay=$(random 900)
  fi
  sleep "$delay"
  kill -9 "$pid" 2>/dev/null || fail "the run ended by itself: $(tail -n 3 "$work/console")"
  wait "$pid" 2>/dev/null || :
  pid=
  if [ "$(started)" -gt "${runs:-0}" ] 2>/dev/null; then
    check_start "$left" "$before"
  else
    early=$((early + 1))
  fi
  now=$(temporaries)
  [ -z "$now" ] || [ "$now" = "$left" ] || writing=$((writing + 1))
  after=$(newest "$out")
  [ "${after:-0}" -ge "${before:-0}" ] || fail "progress went back from $before to ${after:-nothing}"
  for each in $(checkpoints "$out"); do
    complete "$out/checkpoints/$each"
  done
  ! grep -q damaged "$work/console" || fail "a checkpoint was damaged: $(grep damaged "$work/console")"
  echo "kill $cycle of $kills: at ${after:-0} pictures, $(temporaries | grep -c . || :) temporary"
done

# a last stretch that nobody kills, and the same run in one go
last=$(newest "$out")
duration=$((${last:-0} + 200))
left=$(temporaries)
launch --duration "$duration"
wait "$pid" || fail "the last stretch failed: $(tail -n 3 "$work/console")"
pid=
check_start "$left" "$last"
[ -z "$(temporaries)" ] || fail "temporaries are left: $(temporaries)"
echo "one run of $duration pictures that nobody kills, to compare with ..."
"$tool" train "$work/tiny.yaml" --out "$work/whole" --seed 7 --threads 1 --duration "$duration" >"$work/console" 2>&1 ||
  fail "the uninterrupted run failed: $(tail -n 3 "$work/console")"

name=$(basename "$work/whole/checkpoints/$(checkpoints "$work/whole" | tail -n 1)")
for file in model.safetensors optimizer.safetensors progress.json; do # the model's header holds the progress too
  cmp "$work/whole/checkpoints/$name/$file" "$out/checkpoints/$name/$file" || fail "$file differs"
done
for run in whole killed; do
  cut -d, -f1-7 "$work/$run/metrics.csv" >"$work/$run.metrics" # the eighth column is speed
done
cmp "$work/whole/validation.csv" "$out/validation.csv" || fail "validation.csv differs"
cmp "$work/whole.metrics" "$work/killed.metrics" || fail "metrics.csv differs: diff $work/whole.metrics $work/killed.metrics"
# A kill between a checkpoint and the preview that follows it may cost that preview; those that are there must be equal.
missing=$(($(ls "$work/whole/samples" | wc -l) - $(ls "$out/samples" | wc -l)))
for preview in $(ls "$out/samples"); do
  cmp "$work/whole/samples/$preview" "$out/samples/$preview" || fail "samples/$preview differs"
done
echo "passed: $kills kills, $early of them before the run had started, $writing in the middle of a write; $duration pictures;" \
  "weights, optimiser, progress and metrics equal those of the run that nobody killed; $missing previews missing"
[ -n "${2:-}" ] || rm -rf "$work"
