#!/bin/sh
# The commit that the source tree stands at, "-changed" after it where files differ; nothing where the tree is not a
# checkout of its own (an archive, perhaps unpacked inside another project) or git is not there.
cd "$(dirname "$0")/.." || exit 1
[ -e .git ] || exit 0
commit=$(git rev-parse --short=12 HEAD 2>/dev/null) || exit 0
git diff --quiet HEAD -- 2>/dev/null || commit=$commit-changed
echo "$commit"
