#!/bin/sh
# Has Deno translate the sources once, into the folder .deno: a container's file system is read-only, and each start would do it anew.
set -eu
deno=$(echo node_modules/@deno/*/deno)
# shellcheck disable=SC2046
DENO_DIR=.deno "$deno" cache --quiet --no-lock --no-remote --node-modules-dir=manual \
  main.ts config/print_permissions.ts image/health_check.ts $(find actors runtime -name '*_thread.ts')
