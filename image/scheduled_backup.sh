#!/bin/sh
# scheduled_backup.sh FOLDER KEEP: one more backup of the data folder into FOLDER, named by the time, and of all there the newest KEEP are kept.
# The new one is whole before an old one goes.
set -eu
folder=$1
keep=$2
# What a run that was killed has left. There is never more than one.
rm -f "$folder"/kennel-*.backup.part*
"$(dirname "$0")/entrypoint.sh" backup "$folder/kennel-$(date -u +%Y%m%dT%H%M%SZ).backup"
find "$folder" -name 'kennel-*.backup' | sort -r | tail -n "+$((keep + 1))" | while read -r old; do
  rm -f "$old" "$old.sha256"
done
