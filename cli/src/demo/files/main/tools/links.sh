#!/bin/sh
# Links from Markdown to files that are not there.
found=0
for file in README.md docs/*.md; do
    folder=$(dirname "$file")
    grep -no '](\([^)#:]*\))' "$file" | sed 's/:](\(.*\))$/ \1/' >"$TMPDIR/links" || continue
    while read -r line target; do
        if [ ! -e "$folder/$target" ]; then
            echo "$file:$line: the link leads to $target, which is not there"
            found=1
        fi
    done <"$TMPDIR/links"
done
exit "$found"
