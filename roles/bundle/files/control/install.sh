#!/bin/sh
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Installs the control node's tools (Ansible, its collections, packages) from the folder that this file lies in, without a network.
# Needs sh, coreutils, python3 and ssh-keygen. Nothing of the folder is used before its signature and its hash were checked.
set -eu
LC_ALL=C
export LC_ALL

usage() {
    cat <<'END'
usage: sh install.sh --signers FILE [--revoked FILE] [--signatures N] [--prefix FOLDER] [--check] [--no-packages] [--allow-older]
       sh install.sh --rollback [--prefix FOLDER]

  --signers FILE    allowed-signers file with the builder's key; nothing is installed that it did not sign
  --revoked FILE    keys that are not trusted any more
  --signatures N    how many must have signed, the builder among them, each with a key of its own; default 1
  --prefix FOLDER   where to install; default /opt/azure-ai for root, needed for everyone else
  --check           verify everything and tell what would be done
  --no-packages     leave the operating system's packages alone
  --allow-older     install a kit that was made before the one in use
  --rollback        use the kit that was in use before
END
}

die() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

signers='' revoked='' signatures=1 prefix='''' flags=''
while [ $# -gt 0 ]; do
    case $1 in
    --signers | --revoked | --signatures | --prefix)
        [ $# -gt 1 ] || die "$1 needs a value"
        case $1 in
        --signers) signers=$2 ;;
        --revoked) revoked=$2 ;;
        --signatures) signatures=$2 ;;
        *) prefix=$2 ;;
        esac
        shift 2
        ;;
    --check | --no-packages | --allow-older | --rollback)
        flags="$flags $1"
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        die "unknown argument $1"
        ;;
    esac
done

here=$(cd "$(dirname "$0")" && pwd -P)
if [ -z "$prefix" ]; then
    [ "$(id -u)" = 0 ] || die "not root: name a folder of yours with --prefix, such as --prefix $HOME/azure-ai-control"
    prefix=/opt/azure-ai
fi
command -v python3 >/dev/null || die "python3: not installed; install the package python3 from the release's medium first"

case $flags in
*--rollback*)
    # The program of the kit in use was verified when it was installed.
    [ -f "$prefix/current/install.py" ] || die "$prefix: no kit is in use there; install one first"
    exec python3 -I "$prefix/current/install.py" --rollback --prefix "$prefix"
    ;;
esac

[ -n "$signers" ] || die "--signers is missing: nothing unsigned is installed; name the allowed-signers file"
[ -f "$signers" ] || die "$signers: no such file; it holds the builder's key, compared by fingerprint over the telephone"
[ -z "$revoked" ] || [ -f "$revoked" ] || die "$revoked: no such file; nothing is accepted without it"
case $signatures in
[1-9]) ;;
*) die "--signatures $signatures: not a number from 1 to 9" ;;
esac
command -v ssh-keygen >/dev/null || die "ssh-keygen: not installed; install the package openssh-client from the release's medium first"
for name in control.json control.json.sig; do
    if [ ! -f "$here/$name" ] || [ -L "$here/$name" ]; then
        die "$here/$name: missing or no regular file; copy the folder from the medium again"
    fi
done

# A copy in a folder of our own: what is verified is what is read, whoever can write to the medium.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cp "$here/control.json" "$work/"
for name in "$here/control.json.sig" "$here"/control.json.*.sig; do
    [ ! -f "$name" ] || [ -L "$name" ] || cp "$name" "$work/"
done

# Names on every line of the signers file that holds the key in a signature file, a line each. "ssh-keygen -Y find-principals" stops at
# the first such line: a builder's key that stands there for another role too would be known for that one alone.
cat >"$work/names.py" <<'END'
import base64, struct, sys
with open(sys.argv[1], "rb") as stream:
    armour = stream.read(65536).splitlines()
try:
    blob = base64.b64decode(b"".join(line for line in armour if not line.startswith(b"-")))
    magic, size = struct.unpack_from(">6s4xI", blob)
except (ValueError, struct.error):
    sys.exit(0)
key = base64.b64encode(blob[14 : 14 + size]).decode("ascii") if magic == b"SSHSIG" else ""
with open(sys.argv[2], encoding="utf-8", errors="replace") as stream:
    for fields in (line.split() for line in stream):
        if key and key in fields[1:] and not fields[0].startswith("#"):
            print("\n".join(fields[0].strip('"').split(",")))
END

# Tells who signed control.json by the signature file $1 and with which key, where that is one who is trusted and whose name is like $2.
signer() {
    python3 -I "$work/names.py" "$1" "$signers" >"$work/names"
    while IFS= read -r principal; do
        # shellcheck disable=SC2254 # a pattern
        case $principal in
        $2)
            if said=$(ssh-keygen -Y verify -f "$signers" -I "$principal" -n azure-ai-control -s "$1" ${revoked:+-r "$revoked"} \
                <"$work/control.json" 2>"$work/said"); then
                printf '%s %s\n' "$principal" "${said##* }"
                return
            fi
            ;;
        esac
    done <"$work/names"
    return 1
}

if ! first=$(signer "$work/control.json.sig" 'builder@*'); then
    [ ! -s "$work/said" ] || tail -n 1 "$work/said" >&2
    die "control.json: not signed by a builder that $signers trusts for azure-ai-control, or altered, expired or revoked;" \
        "look at this machine's clock ($(date -u +%Y-%m-%d)), then ask the sender"
fi
names=${first% *} keys=${first#* } count=1
for name in "$work"/control.json.*.sig; do
    if [ "$count" -ge "$signatures" ] || [ ! -f "$name" ]; then
        break
    fi
    next=$(signer "$name" '*') || continue
    # One officer under two names, or with two keys, is one officer.
    case " $names $keys " in
    *" ${next% *} "* | *" ${next#* } "*) continue ;;
    esac
    names="$names ${next% *}" keys="$keys ${next#* }" count=$((count + 1))
done
[ "$count" -ge "$signatures" ] || die "control.json: signed by $names: $count of the $signatures signatures required;" \
    "have another officer sign control.json for azure-ai-control, see docs/trust.md"
printf 'signed by %s\n' "$(printf %s "$names" | sed 's/ /, /g')"

# The program that does the rest is a file of the kit as well.
cat >"$work/find.py" <<'END'
import json, re, sys
kit = json.load(open(sys.argv[1], encoding="utf-8"))
print(next(re.fullmatch("sha256:([0-9a-f]{64})", entry["digest"]).group(1) for entry in kit["files"] if entry["kind"] == "installer"))
END
hex=$(python3 -I "$work/find.py" "$work/control.json" 2>/dev/null) || die "control.json: not a kit that this install.sh can read; the sender's kit is damaged"
[ -d "$here/blobs/sha256" ] || [ ! -f "$here/part.json" ] || die "$here: the kit's files are on another part of the bundle; the label of each part says on which"
cp "$here/blobs/sha256/$hex" "$work/install.py" 2>/dev/null || die "install.py: missing from the kit (blobs/sha256/$hex); copy the folder from the medium again"
[ "$(sha256sum <"$work/install.py" | cut -c 1-64)" = "$hex" ] || die "install.py: damaged (blobs/sha256/$hex); copy the folder from the medium again"

set -- --kit "$here" --manifest "$work/control.json" --prefix "$prefix"
for flag in $flags; do
    set -- "$@" "$flag"
done
python3 -I "$work/install.py" "$@"
