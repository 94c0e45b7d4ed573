#!/bin/sh
# The main job from end to end on generated images: the study of Mobile V-MoE with one seed, the report of it, and
# predictions on pictures. VMOE names the program; everything is written into build/demo.
set -eu
cd "$(dirname "$0")/.."
vmoe=${VMOE:-build/vmoe}
out=build/demo
data=synthetic
rm -rf "$out"
mkdir -p "$out"

say() { printf '\n== %s\n' "$1"; }
run() {
  echo "\$ vmoe $*"
  "$vmoe" "$@"
}

say "What the data is"
run data "$data" | head -n 2
say "The study: arms of equal budget, with and without experts"
run study mobile "$data" --output "$out/study" --seeds 1 --experts 5 --model fashion64 --epochs 5 --batch-size 64 --lr 2e-3
say "Who goes where"
run routes "$out/study/runs/superclass-1" "$data" --split test
say "Classify pictures"
"$vmoe" data "$data" --export "$out/pictures" --count 7 >/dev/null
run predict "$out/study/runs/superclass-1" "$out/pictures" --top 2
echo
echo "report    $out/study/report.html"
echo "models    $out/study/runs/ARM-1/best.safetensors"
echo "pictures  $out/pictures/"
echo "next      $vmoe predict $out/study/runs/superclass-1 YOUR.jpg    $vmoe study mobile --help"
