#!/bin/sh
# Makes the certificates of the tests anew: an authority with a server's (two, since it is replaced) and a client's certificate, and another
# authority with a client's. Their keys protect nothing.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/ca.conf" <<CONF
[ca]
default_ca = own
[own]
database = $work/index
serial = $work/serial
new_certs_dir = $work
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
[end]
subjectAltName = DNS:localhost, IP:127.0.0.1
CONF
: > "$work/index"
echo 01 > "$work/serial"
request() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$2" -out "$work/$1.csr" -subj "/CN=$1"
}
authority() {
  request "$1" "$work/$1.key"
  sign_with "$1" authority -selfsign -keyfile "$work/$1.key"
}
signed() {
  request "$1" "$1.key"
  sign_with "$1" end -cert "$2.pem" -keyfile "$work/$2.key"
}
sign_with() {
  name=$1
  extensions=$2
  shift 2
  openssl ca -batch -notext -config "$work/ca.conf" -startdate 20200101000000Z -enddate 21200101000000Z -extensions "$extensions" \
    -in "$work/$name.csr" -out "$name.pem" "$@"
}
authority authority
authority stranger
signed server authority
signed next-server authority
signed client authority
signed strange-client stranger
