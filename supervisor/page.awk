# SPDX-License-Identifier: Apache-2.0
# supervisor/page.html → one C string, to be included where a string may stand.
BEGIN { print "/* Made from supervisor/page.html by supervisor/page.awk. */" }
{
    gsub(/^[ \t]+/, "")
    gsub(/\\/, "\\\\")
    gsub(/"/, "\\\"")
    printf "\"%s\\n\"\n", $0
}
