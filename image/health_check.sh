#!/bin/sh
# Exit code 0: the node of this container answers. Kubernetes asks the routes itself.
set -eu
root=$(dirname "$0")/..
exec "$root"/node_modules/@deno/*/deno run --no-lock --no-prompt --no-remote --allow-env=KENNEL_HTTP_PORT --allow-net=127.0.0.1 "$root/image/health_check.ts"
