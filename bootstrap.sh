#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The README's two commands:
#   ./bootstrap.sh demo   installs what is missing, builds, makes events, runs the main job, merges, verifies
#   ./bootstrap.sh test   installs what is missing, builds, runs all tests
# Both take more words: `./bootstrap.sh test -L unit` goes to ctest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

preset=release
build=build/$preset
# Labels of tests that kill processes or start real servers.
second_try="^(kill|mpi|store|panda|batch|athenamp|packages)$"

say() { printf '== %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 4; }

# Packages of the given kinds: build (no mark), tests ("# tests: ...").
packages() {
    local kind=$1
    sed -E 's/^[[:space:]]+//; /^(#|$)/d' cmake/packages.txt | while read -r name comment; do
        case "$comment" in
            "# tests"*) [ "$kind" = tests ] && printf '%s\n' "$name" ;;
            "# bench"*) ;;
            *) printf '%s\n' "$name" ;;
        esac
    done || true
}

install_packages() {
    local missing=()
    for name in $(packages "$1"); do
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${#missing[@]} packages: ${missing[*]}"
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "these packages are missing and there is neither root nor sudo: ${missing[*]}"
        root=(sudo)
    fi
    "${root[@]}" apt-get update -qq
    # Servers are for the tests only, which start their own: no package may start one.
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# build LOG [options]: configures with the caller's `configure` options, and builds.
build() {
    say "building ($build)"
    cmake --preset "$preset" "${configure[@]}" >"$1.configure" 2>&1 || { cat "$1.configure"; fail "cmake failed"; }
    grep -E 'Sample payloads|not found|missing|skipped' "$1.configure" || true
    shift
    cmake --build "$build" --parallel "$(nproc)" "$@" | grep -vE '^\[[0-9]+/[0-9]+\]' || true
    [ "${PIPESTATUS[0]}" -eq 0 ] || fail "the build failed"
}

demo() {
    install_packages build
    mkdir -p build
    # Without the tests' packages there is no building them; a build folder that is there keeps what it has.
    local configure=()
    [ -e "$build/CMakeCache.txt" ] || configure=(-DYODA_TESTS=OFF -DYODA_BENCH=OFF)
    build build/demo --target yoda harvest generate_events shower
    local bin=$PWD/$build/bin
    local folder=${1:-demo}
    [ ! -e "$folder" ] || fail "$folder exists: remove it, or name another folder: ./bootstrap.sh demo FOLDER"
    mkdir -p "$folder"
    say "making events"
    "$bin/generate_events" --events 2000 --seed 1 --output "$folder/EVNT.lhe"
    say "making the run: $folder/run"
    "$bin/harvest" new "$folder/run" --input "$folder/EVNT.lhe" --events-per-range 5 --payload config/payloads/shower.cfg
    say "running: rank 0 and 3 Droids"
    local begin=$SECONDS code=0
    local mpi=(mpirun -n 4 --oversubscribe --bind-to none)
    [ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    "${mpi[@]}" "$bin/yoda" "$folder/run" || code=$?
    [ "$code" -eq 0 ] || fail "yoda ended with exit code $code; see: $build/bin/harvest status $folder/run"
    local seconds=$((SECONDS - begin))
    say "merging and verifying"
    "$bin/harvest" merge "$folder/run" -o "$folder/jets.h5"
    say "done in $seconds s"
    "$bin/harvest" status "$folder/run"
    cat <<END

What was produced
  $folder/jets.h5            jets of 2,000 events, merged in event order, every checksum verified
  $folder/run/bundles/       the Droids' bundles (tar) with index and manifest
  $folder/run/events.h5      the event table; try: h5dump -H $folder/run/events.h5
Where to look next
  $build/bin/harvest status $folder/run --json
  $build/bin/harvest explain $folder/run
  docs/payloads.md         how to run a program of your own
  docs/operations.md       how to run on a supercomputer
END
}

run_tests() {
    install_packages tests
    mkdir -p build
    local configure=(-DYODA_TESTS=ON -DYODA_BENCH=ON)
    build build/test
    say "testing"
    local code=0 failed=$build/Testing/Temporary/LastTestsFailed.log once=()
    rm -f "$failed"
    ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)" "$@" || code=$?
    [ "$code" -ne 0 ] && [ -s "$failed" ] || return "$code"
    # Only tests with kills or real servers may fail because the machine is busy.
    mapfile -t once < <(cut -d: -f2- "$failed" | grep -vFx -f <(ctest --test-dir "$build" -N -L "$second_try" |
        sed -nE 's/^ *Test +#[0-9]+: //p'))
    if [ ${#once[@]} -gt 0 ]; then
        say "failed, without a second try: ${once[*]}"
        return "$code"
    fi
    say "a second try: $(cut -d: -f2- "$failed" | tr '\n' ' ')"
    ctest --test-dir "$build" --output-on-failure --rerun-failed
}

case "${1:-}" in
    demo) shift; demo "$@" ;;
    test) shift; run_tests "$@" ;;
    *) printf 'usage: ./bootstrap.sh demo [FOLDER] | test [ctest options]\n' >&2; exit 2 ;;
esac
