# Sourced by ./test and .ci/run: a run in parts, and a table at its end of what each took.
#
#   part NAME COMMAND…          runs the command; the run ends if it fails
#   part_beside NAME COMMAND…   runs the command beside the parts that follow, which go first where both want the
#                               processor
#   parts_join                  waits for those beside, and prints what they printed; the run ends if one failed
#
# CPU seconds are those of all processes that a part started and waited for. The table is printed also
# when a part fails, which it then names. A script that another one calls adds its rows to the table of
# the caller. A script may define `parts_more` to print more below the table.

PARTS_OWNER=
if [ -z "${OPENKEY_PARTS-}" ]; then
    OPENKEY_PARTS=$(mktemp -d)
    export OPENKEY_PARTS
    PARTS_OWNER=1
fi
parts_current=

say() { printf '\n==> %s\n' "$*"; }

# Sets `cpu_now`, in hundredths of a second: this shell's and that of its children which ended.
parts_cpu() {
    local fields
    read -r -a fields <"/proc/$BASHPID/stat"
    cpu_now=$((fields[13] + fields[14] + fields[15] + fields[16]))
}

parts_record() { # NAME OUTCOME WALL CPU
    printf '%s\t%s\t%s\t%s\n' "$@" >>"$OPENKEY_PARTS/rows"
}

parts_begin() {
    parts_current=$1
    parts_cpu
    parts_cpu_began=$cpu_now
    parts_wall_began=$SECONDS
}

parts_end() { # OUTCOME
    [ -n "$parts_current" ] || return 0
    parts_cpu
    parts_record "$parts_current" "$1" $((SECONDS - parts_wall_began)) $((cpu_now - parts_cpu_began))
    parts_current=
}

part() {
    local name=$1
    shift
    say "$name"
    parts_begin "$name"
    "$@"
    parts_end passed
}

parts_beside=()

part_beside() {
    local name=$1 output
    shift
    say "$name, beside what follows"
    output=$(mktemp -p "$OPENKEY_PARTS")
    # a process group of its own, which ends with this script
    set -m
    (
        trap 'parts_end FAILED' EXIT
        trap - INT TERM
        set +m
        renice -n 19 "$BASHPID" >/dev/null
        parts_begin "$name"
        "$@"
        parts_end passed
    ) >"$output" 2>&1 &
    set +m
    parts_beside+=("$! $output")
}

parts_join() {
    local beside pid output failed=
    for beside in "${parts_beside[@]}"; do
        read -r pid output <<<"$beside"
        wait "$pid" || failed=1
        cat "$output"
    done
    parts_beside=()
    [ -z "$failed" ]
}

parts_table() {
    [ -s "$OPENKEY_PARTS/rows" ] || return 0
    printf '\n%-72s %8s %8s  %s\n' part 'wall, s' 'CPU, s' ''
    awk -F '\t' '
        { printf "%-72s %8d %8.0f  %s\n", $1, $3, $4 / 100, $2 == "passed" ? "" : $2; cpu += $4 }
        END { printf "%-72s %8d %8.0f\n", "all", '"$SECONDS"', cpu / 100 }
    ' "$OPENKEY_PARTS/rows"
}

parts_exit() { # STATUS
    local beside
    trap - EXIT
    parts_end FAILED
    for beside in "${parts_beside[@]}"; do kill -- "-${beside%% *}" 2>/dev/null || true; done
    if [ -n "$PARTS_OWNER" ]; then
        parts_table
        if declare -F parts_more >/dev/null; then parts_more; fi
        rm -rf "$OPENKEY_PARTS"
    fi
    exit "$1"
}
trap 'parts_exit $?' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
