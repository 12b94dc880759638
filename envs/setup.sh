#!/bin/sh
# Installs what is missing, and does nothing where nothing is missing.
#   sh envs/setup.sh         LaTeX, and .venv as requirements.lock says
#   sh envs/setup.sh lock    write requirements.lock and pipeline.yaml anew from requirements.in
# PYTHON names the interpreter to build on; PIP_ARGS holds further options for pip.
set -eu
cd "$(dirname "$0")/.."
here=$(pwd -P)
oldest='(3, 11)'
latex_packages='latexmk texlive-latex-base texlive-latex-recommended texlive-fonts-recommended texlive-latex-extra
    texlive-science lmodern poppler-utils'

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}
may_apt() {
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}
apt_install() {
    as_root apt-get update -qq >&2 || say 'apt-get update failed in part; going on'
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# A name on PATH may be a stub that cannot run (pyenv), so each candidate is asked. It may also belong to a virtual
# environment, even the one to be made: what counts is the interpreter behind it.
find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        "$candidate" -c "import sys; sys.exit(sys.version_info < $oldest)" >/dev/null 2>&1 || continue
        "$candidate" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))'
        return
    done
    fail "no Python 3.11 or newer found (tried: ${PYTHON:-python3 python3.13 python3.12 python3.11}). Install one, or name it: make PYTHON=/path/to/python3.12"
}

need_venv_module() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1 && return
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    may_apt || fail "$1 cannot make virtual environments. Install that: sudo apt-get install $package"
    say "installing $package"
    apt_install "$package" || fail "could not install $package, which $1 needs to make virtual environments"
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1 || fail "$1 cannot make virtual environments even with $package"
}

# What the templates name in \usepackage.
used_styles() {
    find paper -name '*.tex*' -exec sed -n 's/^[^%]*\\usepackage\(\[[^]]*\]\)\{0,1\}{\([-A-Za-z0-9, ]*\)}.*/\2/p' {} + 2>/dev/null | tr ',' ' '
}
# The first thing of LaTeX that the templates use and the machine lacks; nothing where all is there.
missing_latex() {
    for program in latexmk pdflatex bibtex kpsewhich pdftotext; do
        command -v "$program" >/dev/null 2>&1 || { echo "$program"; return; }
    done
    for style in lmodern $(used_styles); do
        kpsewhich "$style.sty" >/dev/null || { echo "$style.sty"; return; }
    done
}
need_latex() {
    missing=$(missing_latex)
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086 # a list of words
    set -- $latex_packages
    may_apt || fail "LaTeX is incomplete ($missing is missing). Install it: sudo apt-get install $*"
    say "installing LaTeX ($missing is missing; about 500 MB, two minutes)"
    apt_install "$@" || fail "could not install LaTeX. Try: sudo apt-get install $*"
    missing=$(missing_latex)
    [ -z "$missing" ] || fail "$missing, which the paper uses, is not in the installed TeX packages; add it to your TeX installation"
}

# A .venv from another place (a moved or copied folder) still points there, so it counts as unusable.
usable() {
    .venv/bin/python -c "import pip, sys; sys.exit(sys.version_info < $oldest)" >/dev/null 2>&1 &&
        head -n 2 .venv/bin/pip 2>/dev/null | grep -qF "$here/.venv/"
}
pip_install() {
    quiet=-qq
    if [ -t 1 ]; then quiet=; fi
    environment=$1
    shift
    # shellcheck disable=SC2086 # PIP_ARGS holds several options
    "$environment/bin/python" -m pip install $quiet --disable-pip-version-check ${PIP_ARGS:-} "$@" >&2
}
stamp=.venv/installed
is_installed() {
    [ "$(cat $stamp 2>/dev/null)" = "$here $(cksum <envs/requirements.lock)" ]
}
install_environment() {
    # Through a link the environment of another checkout would be emptied.
    [ ! -L .venv ] || fail ".venv is a link to $(readlink .venv). Remove it: rm .venv"
    # The stamp goes first and comes back last: an interrupted set-up has none.
    rm -f $stamp
    usable || { say "creating .venv with $1"; "$1" -m venv --clear .venv; }
    say "installing envs/requirements.lock into .venv (a few minutes)"
    pip_install .venv -r envs/requirements.lock || fail "pip could not install envs/requirements.lock (its message is above)"
    pip_install .venv --no-deps --no-build-isolation -e . || fail "pip could not install this package (its message is above)"
    printf '%s\n' "$here $(cksum <envs/requirements.lock)" >$stamp.new
    mv $stamp.new $stamp
}

# What can be said at once is said before what takes minutes.
set_up() {
    if is_installed; then
        need_latex
        return
    fi
    python=$(find_python)
    need_venv_module "$python"
    need_latex
    install_environment "$python"
}

write_lock() {
    python=$(find_python)
    need_venv_module "$python"
    clean=$(mktemp -d)
    trap 'rm -rf "$clean"' EXIT
    "$python" -m venv "$clean"
    pip_install "$clean" -r envs/requirements.in
    "$clean/bin/python" envs/lock.py
}

case ${1:-all} in
    all) set_up ;;
    lock) write_lock ;;
    *) fail "unknown word $1; say nothing, or lock" ;;
esac
