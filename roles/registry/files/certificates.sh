#!/bin/sh
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# certificates.sh FOLDER ADDRESS DAYS RENEW [--check]: an authority of the site's own and a certificate for ADDRESS, which serves DAYS days and
# is renewed in its last RENEW days. Says what it makes (with --check: would make) and nothing when all is well.
set -eu
umask 077
folder=$1 address=$2 days=$3 renew=$4 check=${5:-}
case $address in
    *[!0-9.]*) case $address in *:*) name="IP:$address" ;; *) name="DNS:$address" ;; esac ;;
    *) name="IP:$address" ;;
esac

# Each file gets its name when it is whole; the certificate after its key.
make_authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Azure AI containers of this site" \
        -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout "$folder/ca.key.new" -out "$folder/ca.crt.new" 2>/dev/null
    mv "$folder/ca.key.new" "$folder/ca.key"
    mv "$folder/ca.crt.new" "$folder/ca.crt"
}

make_leaf() {
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=%s\n' "$name" >"$folder/server.ext"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=Azure AI registry" -keyout "$folder/server.key.new" -out "$folder/server.csr" 2>/dev/null
    openssl x509 -req -in "$folder/server.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -CAcreateserial -days "$days" -extfile "$folder/server.ext" \
        -out "$folder/server.crt.new" 2>/dev/null
    mv "$folder/server.key.new" "$folder/server.key"
    mv "$folder/server.crt.new" "$folder/server.crt"
    rm "$folder/server.csr" "$folder/server.ext"
}

leaf_is_good() {
    [ -s "$folder/server.key" ] && [ -s "$folder/server.crt" ] &&
        openssl x509 -in "$folder/server.crt" -noout -checkend $((renew * 86400)) >/dev/null &&
        openssl verify -CAfile "$folder/ca.crt" "$folder/server.crt" >/dev/null 2>&1 &&
        [ "$(openssl x509 -in "$folder/server.crt" -noout -pubkey)" = "$(openssl pkey -in "$folder/server.key" -pubout)" ] &&
        case $name in
            IP:*) openssl x509 -in "$folder/server.crt" -noout -checkip "$address" ;;
            *) openssl x509 -in "$folder/server.crt" -noout -checkhost "$address" ;;
        esac | grep -q "does match"
}

if [ ! -s "$folder/ca.key" ] || [ ! -s "$folder/ca.crt" ]; then
    echo "an authority of the site's own"
    [ "$check" ] || make_authority
fi
if ! leaf_is_good; then
    echo "a certificate for $address"
    [ "$check" ] || make_leaf
fi
