# SPDX-License-Identifier: Apache-2.0
# SQL files as C text: awk -f embed.awk statements.sql schema-1.sql schema-2.sql …  → sql_text.h
# statements.sql becomes an enum and a table; schema-N.sql becomes entry N-1 of the list of migrations.

function quoted(line) {
    gsub(/\\/, "\\\\", line)
    gsub(/"/, "\\\"", line)
    return "\"" line "\\n\""
}

BEGIN {
    print "/* SPDX-License-Identifier: Apache-2.0 */"
    print "/* Made by journal/embed.awk from the SQL files beside it. */"
}

FNR == 1 { schema = FILENAME ~ /schema-[0-9]+\.sql$/ }

schema {
    if (FNR == 1) {
        versions++
        if (FILENAME !~ ("schema-" versions "\\.sql$")) {
            print FILENAME ": version " versions " is missing or out of order" > "/dev/stderr"
            bad = 1
            exit 1
        }
    }
    if ($0 !~ /^--/ && $0 != "")
        schema_text[versions] = schema_text[versions] "\n    " quoted($0)
    next
}

/^--:/ {
    if (NF != 3) {
        print FILENAME ":" FNR ": expected \"--: name types\"" > "/dev/stderr"
        bad = 1
        exit 1
    }
    n++
    name[n] = $2
    types[n] = $3 == "-" ? "" : $3
    next
}

/^--/ || /^$/ { next }

{ text[n] = text[n] "\n        " quoted($0) }

END {
    if (bad)
        exit 1
    print "#ifndef JOURNAL_SQL_TEXT_H\n#define JOURNAL_SQL_TEXT_H\n\nenum journal_sql {"
    for (i = 1; i <= n; i++)
        print "    SQL_" toupper(name[i]) ","
    print "    SQL_COUNT\n};\n\nenum { JOURNAL_VERSION = " versions " };\n\n#endif\n"
    print "#ifdef JOURNAL_SQL_TABLE"
    print "static const struct {\n    const char *types, *text;\n} journal_sql[SQL_COUNT] = {"
    for (i = 1; i <= n; i++)
        print "    [SQL_" toupper(name[i]) "] = {\"" types[i] "\"," text[i] "},"
    print "};\n\nstatic const char *const journal_schema[JOURNAL_VERSION] = {"
    for (i = 1; i <= versions; i++)
        print schema_text[i] ","
    print "};\n#endif"
}
