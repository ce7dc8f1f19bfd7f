# SPDX-License-Identifier: Apache-2.0
# sql/statements/*.sql → one C table: a row per statement and version variant, oldest first. Comment lines are dropped;
# "-- since MAJOR.MINOR" begins a variant.
function flush() {
    if (text != "")
        printf "    {\"%s\", %d, %d, \"%s\"},\n", name, major, minor, text
    text = ""
}
BEGIN { print "/* Made from sql/statements/ by sql/statements.awk. */" }
FNR == 1 {
    flush()
    name = FILENAME
    sub(/.*\//, "", name)
    sub(/\.sql$/, "", name)
}
/^-- since / {
    flush()
    split($3, v, ".")
    major = v[1]
    minor = v[2]
    next
}
/^--/ || /^[ \t]*$/ { next }
{
    line = $0
    gsub(/^[ \t]+/, "", line)
    gsub(/\\/, "\\\\", line)
    gsub(/"/, "\\\"", line)
    text = text (text == "" ? "" : " ") line
}
END { flush() }
