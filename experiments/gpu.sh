#!/usr/bin/env bash
# The GPU run: three calls of at most ten minutes each, from the repository's root.
#
#   OUT=out bash experiments/gpu.sh autoencoder   then copy out/vae over ditcourse/weights/vae, if it is better
#   OUT=out bash experiments/gpu.sh t4            train, evaluate, measure the speed
#   OUT=out bash experiments/gpu.sh big
#
# Everything worth keeping is in $OUT, in files of at most 15 MiB (the weights in pieces: cat big.safetensors.* > model.safetensors).
# Tried small on a CPU: STEPS=2 BATCH=4 CLIPS=2 OUT=/tmp/out bash experiments/gpu.sh t4
set -euo pipefail
stage=${1:?autoencoder, t4 or big}
python=${PYTHON:-python}
mkdir -p "$OUT"
OUT=$(realpath "$OUT")
export PYTHONPATH=. PYTHONUNBUFFERED=1
$python -m pip install --quiet --no-deps --no-build-isolation -e . 2>/dev/null || echo "could not install: is ditcourse there?"
$python -m ditcourse info | tee "$OUT/info.txt"

case $stage in
autoencoder)
  timeout -s INT 540 $python experiments/train_vae.py --steps "${STEPS:-6000}" --batch-size "${BATCH:-16}" \
    --clips "${CLIPS:-512}" --checkpoint "$OUT/checkpoint/vae.safetensors" --out "$OUT/vae" 2>&1 | tail -c 2000
  rm -rf "$OUT/checkpoint" ;;
t4 | big)
  run="$OUT/run"
  timeout -s INT 480 $python -m ditcourse train "$run" --rung "$stage" --resume ${STEPS:+--steps $STEPS --no-compile} \
    ${BATCH:+--batch-size $BATCH} ${CLIPS:+--clips $CLIPS} 2>&1 | tail -c 2000 || echo "stopped by the clock"
  split -b 15M "$run/model.safetensors" "$OUT/$stage.safetensors."
  timeout 110 $python -m ditcourse evaluate --model "$run" --clips "${CLIPS:-1024}" --training-clips "${CLIPS:-1024}" \
    --out "$run/evaluate.json" | tee "$run/evaluate.txt" || echo "the evaluation was cut off"
  (cd "$run" && tar czf "$OUT/$stage.tar.gz" --exclude='*.safetensors' .)
  rm -rf "$run" ;;
*)
  echo "there is no stage $stage: autoencoder, t4 or big" >&2
  exit 2 ;;
esac
