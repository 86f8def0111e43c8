# Sourced by serve and test. `prepare EXTRA` leaves a .venv that holds sessiond[EXTRA], and is silent where there is one.
# Only stderr is written to: stdout belongs to the service.

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
venv=$root/.venv

say() { printf 'sessiond: %s\n' "$*" >&2; }

quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null || status=$?
    ((status == 0)) || cat -- "$log" >&2
    rm -f -- "$log"
    return "$status"
}

# Prints "VERSION PATH" of the first Python that will do. Debian's python3 has no ensurepip, so makes no usable venv,
# until python3-venv is installed. The base executable outlives the .venv that may be active right now.
find_python() {
    local candidate candidates=(python3 python3.{14,13,12,11} /usr/bin/python3)
    [[ -z ${PYTHON:-} ]] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        "$candidate" -c '
import sys, venv, ensurepip
if sys.version_info < (3, 11):
    sys.exit(1)
print("%d.%d" % sys.version_info[:2], sys._base_executable)' 2>/dev/null && return
    done
    return 1
}

apt_python() {
    [[ -z ${PYTHON:-} && $EUID -eq 0 ]] && command -v apt-get >/dev/null || return 1
    say "installing python3-venv with apt-get"
    quietly apt-get update && DEBIAN_FRONTEND=noninteractive quietly apt-get install -y python3 python3-venv
}

# Sessions of browsers need Debian's Chromium; where there is none, all else works.
apt_browser() {
    [[ ${SESSIOND_BROWSERS:-} != off && " $* " != *" --browsers off "* && " $* " != *" --browsers=off "* ]] || return 0
    [[ -z ${SESSIOND_BROWSER_PROGRAM:-} && " $* " != *" --browser-program"[\ =]* ]] || return 0
    ! type -P chromium >/dev/null || return 0
    if [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
        say "installing chromium with apt-get, for browsers"
        quietly apt-get update && DEBIAN_FRONTEND=noninteractive quietly apt-get install -y --no-install-recommends \
            -o DPkg::Lock::Timeout=120 chromium && return
    fi
    say "there will be no browsers here; they need: apt-get install chromium"
}

# Virtual machines need QEMU, and makers of file systems for their image; where they are absent, all else works.
apt_machines() {
    local program packages=()
    [[ ${SESSIOND_VM:-} != off && " $* " != *" --vm off "* && " $* " != *" --vm=off "* ]] || return 0
    for program in qemu-system-x86_64=qemu-system-x86 mkfs.erofs=erofs-utils mke2fs=e2fsprogs; do
        PATH=$PATH:/usr/sbin:/sbin type -P "${program%=*}" >/dev/null || packages+=("${program#*=}")
    done
    ((${#packages[@]})) || return 0
    if [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
        say "installing ${packages[*]} with apt-get, for virtual machines"
        quietly apt-get update && DEBIAN_FRONTEND=noninteractive quietly apt-get install -y --no-install-recommends \
            -o DPkg::Lock::Timeout=120 "${packages[@]}" && return
    fi
    say "there will be no virtual machines here; they need: apt-get install ${packages[*]}"
}

# A test environment is also a service environment; the other way round it is not.
holds() {
    local held
    [[ -x $venv/bin/python && -f $venv/.made-for && $(<"$venv/.made-for") == "$base" ]] || return 1
    [[ -f $venv/.holds ]] || return 1
    held=$(<"$venv/.holds")
    [[ $held == "$wanted $1" || $held == "$wanted test" ]]
}

pip_install() {
    quietly "$venv/bin/python" -m pip install --disable-pip-version-check -c constraints.txt "$@"
}

install() {
    ! holds "$1" || return 0 # another start was faster while this one waited for the lock
    say "setting up .venv for '$1' with Python ${base%% *} (once, then again only when dependencies change)"
    # A running service may be using this .venv: it is cleared only where it cannot serve any more.
    if [[ ! -x $venv/bin/python || ! -f $venv/.made-for || $(<"$venv/.made-for") != "$base" ]]; then
        quietly "$python" -m venv --clear "$venv" || return
        printf '%s\n' "$base" >"$venv/.made-for"
    fi
    rm -f -- "$venv/.holds"
    # Constraints do not reach pip's isolated builds, so the build backend comes first and is pinned like the rest.
    (cd -- "$root" && pip_install hatchling && pip_install --no-build-isolation -e ".[$1]") || return
    printf '%s\n' "$wanted $1" >"$venv/.holds"
}

prepare() {
    local found python base wanted
    found=$(find_python) || { apt_python && found=$(find_python); } || {
        say "needs Python 3.11 or newer with venv: apt-get install python3 python3-venv, or set PYTHON to one"
        exit 2
    }
    python=${found#* }
    base="${found%% *} $root" # a .venv cannot be moved
    wanted=$(cat -- "$root/pyproject.toml" "$root/constraints.txt" | sha256sum | cut -d ' ' -f 1)
    holds "$1" && return
    # The lock is on the folder and held by the subshell alone: the service must not inherit it.
    (! command -v flock >/dev/null || flock 9; install "$1") 9<"$root" || {
        say "could not set up .venv"
        exit 1
    }
}
