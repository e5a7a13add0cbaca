#!/bin/sh
# Starts Kennel in its container. `serve` gets the permissions that its configuration needs and no others; the commands of the command line,
# which somebody runs by hand in the container, get those of the container.
set -eu
root=$(dirname "$0")/..
deno=$(echo "$root"/node_modules/@deno/*/deno)
run="run --no-lock --no-prompt --no-remote --node-modules-dir=manual"
if [ "${1:-}" != serve ]; then
  # shellcheck disable=SC2086
  exec "$deno" $run --allow-read --allow-write --allow-env --allow-net --allow-ffi --allow-sys "$root/main.ts" "$@"
fi
# shellcheck disable=SC2086
permissions=$("$deno" $run --allow-env --allow-read --allow-sys=hostname "$root/config/print_permissions.ts" --lines)
command=$1
shift
IFS='
'
# One permission a line, put before what was given.
# shellcheck disable=SC2086
set -- $permissions "$root/main.ts" "$command" "$@"
unset IFS
# shellcheck disable=SC2086
exec "$deno" $run "$@"
