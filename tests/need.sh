#!/bin/sh
# Installs what the tests need beside the Rust toolchain and this machine lacks, with the machine's
# own package manager: `tests/need.sh python node make`.
set -eu

has_python() { python3 -c 'import ensurepip, venv' 2>/dev/null; }
has_node() { command -v npm >/dev/null && node --version >/dev/null 2>&1; }
has_make() { command -v make >/dev/null; }
has_curl() { command -v curl >/dev/null; }
has_postgres() {
  for folder in ${GW_TEST_PG_BIN:-} /usr/lib/postgresql/*/bin $(echo "$PATH" | tr : ' '); do
    if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then return 0; fi
  done
  return 1
}
has_cc() { command -v cc >/dev/null; }

# The packages of a need, by the package manager's names.
packages() {
  case "$1-$2" in
    apt-get-python) echo python3 python3-venv ;;
    apk-python | dnf-python | zypper-python) echo python3 ;;
    pacman-python | brew-python) echo python ;;
    brew-node) echo node ;;
    *-node) echo nodejs npm ;;
    apt-get-postgres) echo postgresql ;;
    apk-postgres | brew-postgres) echo postgresql ;;
    dnf-postgres | zypper-postgres) echo postgresql-server ;;
    pacman-postgres) echo postgresql ;;
    apt-get-cc) echo gcc libc6-dev ;;
    apk-cc) echo gcc musl-dev ;;
    *) echo "$2" | sed 's/^cc$/gcc/' ;;
  esac
}

install() {
  case "$1" in
    apt-get) as_root apt-get update -qq && shift && as_root apt-get install -y -qq --no-install-recommends "$@" ;;
    apk) shift && as_root apk add --quiet "$@" ;;
    dnf | zypper) manager=$1 && shift && as_root "$manager" install -y "$@" ;;
    pacman) shift && as_root pacman -Sy --noconfirm --needed "$@" ;;
    brew) shift && brew install --quiet "$@" ;;
  esac
}

as_root() {
  if [ "$(id -u)" = 0 ]; then DEBIAN_FRONTEND=noninteractive "$@"; else sudo "$@"; fi
}

for need in "$@"; do
  if "has_$need"; then continue; fi
  for manager in apt-get apk dnf zypper pacman brew; do
    if ! command -v "$manager" >/dev/null; then continue; fi
    # shellcheck disable=SC2046 # one word for each package
    install "$manager" $(packages "$manager" "$need")
    break
  done
  if ! "has_$need"; then
    echo "$need is needed and could not be installed: install it and try again" >&2
    exit 1
  fi
done
