#!/bin/sh
# Takes spaces off the ends of lines, in place.
for file in README.md docs/*.md src/ledger/*.py tests/*.py; do
    sed 's/[[:space:]]*$//' "$file" >"$TMPDIR/trimmed"
    cmp -s "$file" "$TMPDIR/trimmed" || cat "$TMPDIR/trimmed" >"$file"
done
