#!/bin/sh
# Looks for the system packages that the build needs, by compiling one-liners rather than by asking a package
# manager, so that a library from anywhere counts.
#
#   sh tools/deps.sh check|install program|tests
#
# check    says what is missing, with the line that installs it, and ends with status 1
# install  runs that line first, if this is root or sudo asks for no password
# program  what the program needs; `tests` adds what only the tests need
#
# The build's own settings come from the environment: CXX, CPPFLAGS, LDFLAGS, SANITIZE, and BLAS (openblas or none).
# VMOE_OS_RELEASE names another file than /etc/os-release (the tests use it).

action=${1:-check}
purpose=${2:-program}
CXX=${CXX:-g++}
BLAS=${BLAS:-openblas}
os_release=${VMOE_OS_RELEASE:-/etc/os-release}

# --- What a part is called where. Only the Debian column has been tested. --------------------------------------------

compiler_package() {  # clang++-14 -> clang-14; anything that is not clang or a versioned g++ -> g++
  case ${CXX##*/} in
    clang++*) echo "clang${CXX##*clang++}" ;;
    g++-*) echo "${CXX##*/}" ;;
    *) echo g++ ;;
  esac
}

clang_version() { $CXX -dumpversion 2>/dev/null | cut -d . -f 1; }

table() {  # part, then its package on Debian, Fedora, Arch and Homebrew
  case ${CXX##*/} in
    clang++*)
      version=$(clang_version)
      [ -n "$version" ] || version=${CXX##*clang++}
      version=${version#-}
      echo "compiler $(compiler_package) clang clang llvm"
      echo "openmp libomp${version:+-$version}-dev libomp-devel openmp libomp"
      echo "sanitizers libclang-rt${version:+-$version}-dev compiler-rt compiler-rt llvm" ;;
    *)
      echo "compiler $(compiler_package) gcc-c++ gcc gcc"
      echo "openmp $(compiler_package) gcc-c++ gcc gcc"
      echo "sanitizers $(compiler_package) libasan,libubsan gcc gcc" ;;
  esac
  cat <<'END'
openblas     libopenblas-dev      openblas-devel     openblas       openblas
zlib         zlib1g-dev           zlib-devel         zlib           zlib
stb          libstb-dev           stb-devel          stb            stb
cli11        libcli11-dev         cli11-devel        cli11          cli11
json         nlohmann-json3-dev   json-devel         nlohmann-json  nlohmann-json
tomlplusplus libtomlplusplus-dev  tomlplusplus-devel tomlplusplus   tomlplusplus
doctest      doctest-dev          doctest-devel      doctest        doctest
END
}

packages() {  # the missing parts' packages in column $1 (1 Debian, 2 Fedora, 3 Arch, 4 Homebrew)
  table | while read -r part debian fedora arch brew; do
    case " $missing " in
      *" $part "*)
        case $1 in 1) echo "$debian" ;; 2) echo "$fedora" ;; 3) echo "$arch" ;; 4) echo "$brew" ;; esac ;;
    esac
  done | tr , '\n' | awk '!seen[$0]++ { printf " %s", $0 }'
}

# --- Probes ----------------------------------------------------------------------------------------------------------

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

compiles() {  # does the program on standard input compile and link with the flags $@ ?
  cat >"$scratch/probe.cpp"
  # shellcheck disable=SC2086  # flags are lists of words
  $CXX -std=c++20 $CPPFLAGS -o "$scratch/probe" "$scratch/probe.cpp" $LDFLAGS "$@" >/dev/null 2>&1
}

has_headers() {  # can the preprocessor find every header in $@ ?
  for header in "$@"; do
    printf '#if !__has_include(<%s>)\n#error\n#endif\n' "$header" >"$scratch/probe.cpp"
    # shellcheck disable=SC2086
    $CXX -std=c++20 $CPPFLAGS -E "$scratch/probe.cpp" >/dev/null 2>&1 || return 1
  done
}

parts_needed() {
  echo "compiler openmp zlib stb cli11 json tomlplusplus"
  [ "$BLAS" = none ] || echo openblas
  [ -z "$SANITIZE" ] || echo sanitizers
  [ "$purpose" != tests ] || echo doctest
}

has() {
  case $1 in
    compiler) printf '%s\n' '#if defined(__clang__) ? __clang_major__ < 14 : __GNUC__ < 12' '#error too old' '#endif' \
      'int main() {}' | compiles ;;
    openmp) printf '#include <omp.h>\nint main() { return omp_get_max_threads() < 1; }\n' | compiles -fopenmp ;;
    # shellcheck disable=SC2086
    sanitizers) echo 'int main() {}' | compiles $SANITIZE ;;
    openblas) printf '#include <cblas.h>\nint main() { return openblas_get_corename() == nullptr; }\n' |
      compiles -lopenblas ;;
    zlib) printf '#include <zlib.h>\nint main() { return zlibVersion() == nullptr; }\n' | compiles -lz ;;
    stb) has_headers stb_image.h stb_image_write.h ;;
    cli11) has_headers CLI/CLI.hpp ;;
    json) has_headers nlohmann/json.hpp ;;
    tomlplusplus) has_headers toml++/toml.h ;;
    doctest) has_headers doctest/doctest.h ;;
  esac
}

probe() {  # sets `missing`; without a compiler nothing else can be looked for, so everything counts as missing
  missing=
  if ! has compiler; then
    missing=$(parts_needed | tr '\n' ' ')
    return
  fi
  for part in $(parts_needed); do has "$part" || missing="$missing $part"; done
}

# --- The install line ------------------------------------------------------------------------------------------------

system() {  # debian, fedora, arch, brew or unknown
  [ "$(uname -s)" != Darwin ] || { echo brew; return; }
  case " $(sed -n 's/^ID\(_LIKE\)\{0,1\}=//p' "$os_release" 2>/dev/null | tr '"\n' '  ') " in
    *" debian "* | *" ubuntu "*) echo debian ;;
    *" fedora "* | *" rhel "*) echo fedora ;;
    *" arch "*) echo arch ;;
    *) echo unknown ;;
  esac
}

line_for() {  # for system $1; $sudo goes before each command
  case $1 in
    debian) echo "${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends$(packages 1)" ;;
    fedora) echo "${sudo}dnf install -y$(packages 2)" ;;
    arch) echo "${sudo}pacman -S --needed --noconfirm$(packages 3)" ;;
    brew) echo "brew install$(packages 4)" ;;
  esac
}

advise() {
  sudo="sudo "
  [ "$(id -u)" != 0 ] || sudo=
  lacking=
  for part in $missing; do
    [ "$part" != compiler ] || part="a C++20 compiler ('$CXX' is none)"
    lacking="$lacking $part"
  done
  echo "vmoe: the build lacks:$lacking"
  case $(system) in
    debian) echo "  $(line_for debian)" ;;
    fedora) echo "  $(line_for fedora)    # Fedora, untested" ;;
    arch) echo "  $(line_for arch)    # Arch, untested" ;;
    brew) echo "  $(line_for brew)    # Homebrew, untested" ;;
    *)
      echo "  $(line_for debian)    # Debian 12"
      echo "  $(line_for fedora)    # Fedora, untested"
      echo "  $(line_for arch)    # Arch, untested"
      echo "  $(line_for brew)    # Homebrew, untested" ;;
  esac
  echo "installs it. (DEPS=PREFIX looks in a prefix of your own as well; BLAS=none does without OpenBLAS.)"
}

install_missing() {
  case $(system) in debian | fedora | arch) ;; *) return 1 ;; esac
  sudo=
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || return 1
    sudo="sudo -n "
  fi
  line=$(line_for "$(system)")
  echo "vmoe: installing: $line" >&2
  # `apt-get update` also fails when some unrelated repository does; whether it was enough shows in the next probe.
  DEBIAN_FRONTEND=noninteractive sh -c "$(echo "$line" | sed 's/ && / ; /')" >&2 </dev/null
}

probe
if [ -n "$missing" ] && [ "$action" = install ] && install_missing; then probe; fi
[ -z "$missing" ] || { advise >&2; exit 1; }
