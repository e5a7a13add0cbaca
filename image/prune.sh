#!/bin/sh
# Takes out of node_modules what an image never runs: models and an SDK that LanceDB can embed with (Kennel embeds by itself), add-ons of the
# other C library, types, source maps and documentation. test/services/image_test.ts runs a node on what is left.
set -eu
modules=$1
rm -rf "$modules"/@huggingface "$modules"/onnxruntime-* "$modules"/@img "$modules"/sharp "$modules"/@lancedb/lancedb/node_modules/openai
rm -rf "$modules"/@*/*-musl "$modules"/.package-lock.json "$modules"/.bin
find "$modules" -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.tsbuildinfo' -o -iname 'readme*.md' -o -iname 'changelog*' -o -iname 'history.md' \) -delete
find "$modules" -type d \( -name test -o -name tests -o -name __tests__ -o -name .github -o -name example -o -name examples \) -prune -exec rm -rf {} +
find "$modules" -type d -empty -delete
