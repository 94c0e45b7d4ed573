#!/bin/sh
# Runs test programs one after the other, shows what each prints (doctest ends with its own summary), and ends with
# the line "N passed, N failed", summed over their test cases.
#
#   sh tools/run_tests.sh PROGRAM...
#
# A program that fails without a failed test case (a crash, a sanitizer's report) counts as one failure.
# Status 1 if anything failed, or if no test case ran at all.

passed=0
failed=0
log=$(mktemp) || exit 1
trap 'rm -f "$log" "$log.status"' EXIT

summary() {  # the number before the word $1 in the line "[doctest] test cases: 3 | 3 passed | 0 failed | ..."
  sed -n "s/^\[doctest\] test cases:.*[| ]\([0-9][0-9]*\) $1.*/\1/p" "$log" | tail -n 1
}

for program in "$@"; do
  echo "== $program"
  { "$program" 2>&1; echo $? >"$log.status"; } | tee "$log"
  status=$(cat "$log.status")
  good=$(summary passed)
  bad=$(summary failed)
  passed=$((passed + ${good:-0}))
  failed=$((failed + ${bad:-0}))
  if [ "$status" != 0 ] && [ "${bad:-0}" = 0 ]; then
    echo "== $program ended with status $status and no failed test case: counted as one failure"
    failed=$((failed + 1))
  fi
done

[ $((passed + failed)) != 0 ] || { echo "No test case was run."; failed=1; }
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
