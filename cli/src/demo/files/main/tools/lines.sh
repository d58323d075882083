#!/bin/sh
# Lines longer than 100 characters, and tabs.
found=0
for file in src/ledger/*.py tests/*.py; do
    awk -v file="$file" '
        length($0) > 100 { print file ":" NR ": the line has " length($0) " characters, more than 100"; bad = 1 }
        /\t/ { print file ":" NR ": a tab"; bad = 1 }
        END { exit bad }' "$file" || found=1
done
exit "$found"
