#!/bin/sh
# Does a program run on every x86-64 machine? It is disassembled, and every instruction that the oldest of them lacks
# must lie in the kernels of a wider instruction set, which run only where it has been found.
#
#   sh tools/check_portable.sh PROGRAM LINKER_MAP WIDE_OBJECT...
#
# The linker's map (-Wl,-Map=FILE) says where in the program the wide objects' code went. Libraries that are loaded
# when the program starts are not looked at. Offenders are listed by function; status 1 if there is one, 2 if the check
# could see nothing: an unreadable file, or wide objects without a single wide instruction.

program=$1
map=$2
shift 2
for file in "$program" "$map"; do
  [ -r "$file" ] || { echo "check_portable: cannot read '$file'" >&2; exit 2; }
done

# Code of the wide objects in the map: " .text  0xADDRESS  0xSIZE  PATH", a long section name on a line of its own.
ranges() {
  awk -v objects="$*" '
    BEGIN { split(objects, list, " "); for (i in list) wide[list[i]] = 1 }
    $1 ~ /^\.text/ && NF == 1 { getline rest; $0 = $1 " " rest }
    $1 ~ /^\.text/ && NF == 4 && ($4 in wide) && $3 != "0x0" { print substr($2, 3), substr($3, 3) }
  ' "$map"
}

# Instructions newer than x86-64: VEX and EVEX by their first byte (in 64-bit code C4, C5 and 62 are nothing else), the
# others by name. TZCNT is not among them: older processors run it as BSF, which is how compilers use it. The program
# asks for the registers that the system saves (XGETBV) only where there is the instruction.
newer='^(h(add|sub)p[sd]|addsubp[sd]|lddqu|mov(ddup|shdup|sldup|be|ntdqa).?|fisttp.*|p(shufb|h(add|sub).*|maddubsw'
newer="$newer"'|mulhrsw|sign[bwd]|abs[bwd]|alignr|blend.*|cmpeqq|cmpgtq|cmp[ei]str.*|extr[bdq]|insr[bdq]|hminposuw'
newer="$newer"'|m(ax|in)(sb|sd|uw|ud)|mov[sz]x..|muldq|mulld|test|opcnt.?|clmul.*|refetchwt?1?)|blend.*|dpp[sd]|extractps'
newer="$newer"'|insertps|mpsadbw|packusdw|round[sp][sd]|crc32.*|lzcnt.?|cmpxchg16b|ad[co]x.?|aes.*|sha(1|256).*|rdrand.?'
newer="$newer"'|rdseed.?|[ls]ahf|x(save|rstor).*|rdtscp|(rd|wr)[fg]sbase.?)$'

wide_ranges=$(ranges "$@") || exit 2
objdump -d -w -C "$program" | awk -F '\t' -v ranges="$wide_ranges" -v newer="$newer" -v program="$program" '
  function number(text,   i, n) {
    n = 0
    for (i = 1; i <= length(text); ++i) n = 16 * n + index("0123456789abcdef", substr(text, i, 1)) - 1
    return n
  }
  function wide_code(address,   i) {
    for (i = 1; i <= count; ++i) if (address >= first[i] && address < end[i]) { ++seen[i]; return 1 }
    return 0
  }
  BEGIN {
    count = split(ranges, line, "\n")
    for (i = 1; i <= count; ++i) {
      split(line[i], part, " ")
      first[i] = number(part[1])
      end[i] = first[i] + number(part[2])
    }
  }
  /^[0-9a-f]+ </ { name = substr($0, index($0, "<")); next }
  NF >= 3 {
    ++instructions
    bytes = $2
    while (bytes ~ /^(26|2e|36|3e|64|65|67) /) bytes = substr(bytes, 4)
    word = $3
    sub(/^((rep[nz]*|repne|lock|data16|cs|ds|es|ss|fs|gs|notrack|bnd) +)+/, "", word)
    sub(/ .*/, "", word)
    if (bytes !~ /^(c4|c5|62) / && word !~ newer) next
    address = $1
    gsub(/[ :]/, "", address)
    if (wide_code(number(address))) next
    if (!(name in told)) { told[name] = $3; order[++offenders] = name }
    ++times[name]
  }
  END {
    if (instructions == 0) { print "check_portable: no instruction in \047" program "\047"; exit 2 }
    for (i = 1; i <= count; ++i) eyes += seen[i]
    if (count > 0 && !eyes) {
      print "check_portable: no wide instruction where the map says the wide kernels are; is it this program\047s?"
      exit 2
    }
    for (i = 1; i <= offenders; ++i)
      print "check_portable: " order[i] " " times[order[i]] " newer instruction(s), the first: " told[order[i]]
    if (offenders) exit 1
    print program ": " instructions " instructions; none outside of the wide kernels is newer than x86-64"
  }'
