#!/bin/sh
# The main job from end to end on generated images: a dense baseline, super-classes from what it confuses, a Mobile
# V-MoE of the same inference cost trained with the same budget, evaluation of both, predictions on pictures.
# VMOE names the program; everything is written into build/demo.
set -eu
cd "$(dirname "$0")/.."
vmoe=${VMOE:-build/vmoe}
out=build/demo
data=synthetic
experts=5
budget="--model fashion64 --epochs 9 --batch-size 64 --lr 2e-3 --seed 1"
rm -rf "$out"
mkdir -p "$out"

say() { printf '\n== %s\n' "$1"; }
run() {
  echo "\$ vmoe $*"
  "$vmoe" "$@"
}
figure() { sed -n "s/.*\"$2\": *\([0-9.e+-]*\).*/\1/p" "$1" | head -n 1; }  # FILE KEY

say "What the data is"
run data "$data" | head -n 2
say "1. Train the dense baseline"
run train "$data" $budget --output "$out/dense"
say "2. Find super-classes in what it confuses on the hold-out"
run superclass "$out/dense" "$data" --experts $experts --output "$out/super.json"
say "3. Train the Mobile V-MoE: $experts experts, one per image, in the last two blocks"
run train "$data" $budget --output "$out/moe" \
  --router image --experts $experts --moe-layers last:2 --super-classes "$out/super.json"
say "4. Evaluate both on the test images"
for model in dense moe; do
  "$vmoe" eval "$out/$model" "$data" --split test --json >"$out/$model.eval.json"
  "$vmoe" info "$out/$model" --json >"$out/$model.info.json"
done
say "5. Classify pictures"
"$vmoe" data "$data" --export "$out/pictures" --count 7 >/dev/null
run predict "$out/moe" "$out/pictures" --top 2

say "Result"
printf '%-14s %10s %10s %12s %14s %14s\n' model top-1 top-5 parameters "MFLOP an image" "images/second"
for model in dense moe; do
  awk -v name=$model -v top1="$(figure $out/$model.eval.json top1)" -v top5="$(figure $out/$model.eval.json top5)" \
    -v rate="$(figure $out/$model.eval.json images_per_second)" -v params="$(figure $out/$model.info.json params)" \
    -v flops="$(figure $out/$model.info.json flops)" 'BEGIN {
      printf "%-14s %9.2f%% %9.2f%% %12d %14.1f %14.0f\n", name, 100 * top1, 100 * top5, params, flops / 1e6, rate }'
done
echo
echo "models    $out/dense/best.safetensors  $out/moe/best.safetensors"
echo "pictures  $out/pictures/"
echo "next      $vmoe predict $out/moe YOUR.jpg    $vmoe train --help"
