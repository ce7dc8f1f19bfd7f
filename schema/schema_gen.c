/* SPDX-License-Identifier: Apache-2.0 */
/* schema-gen DIRECTORY: writes the files that are made from the field table below the top folder of the source. A
 * program of the build tree; `make schema-update` runs it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "schema/generated.h"

static int write_file(const char *path, const struct str *text)
{
    auto_free char *next = mem_printf("%s.new", path);
    FILE *f = fopen(next, "we");
    bool ok;

    if (!f) {
        fprintf(stderr, "schema-gen: cannot create %s: %s\n", next, strerror(errno));
        return -1;
    }
    ok = fwrite(str_text(text), 1, text->len, f) == text->len;
    ok = fclose(f) == 0 && ok;
    if (!ok || rename(next, path)) {
        fprintf(stderr, "schema-gen: cannot write %s: %s\n", path, strerror(errno));
        remove(next);
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: schema-gen DIRECTORY\n");
        return 2;
    }
    for (size_t i = 0; i < schema_generated_files(); i++) {
        auto_free char *name = schema_generated_name(i), *path = mem_printf("%s/%s", argv[1], name);
        auto_str struct str text = STR_INIT;

        schema_generated_text(i, &text);
        if (write_file(path, &text) < 0)
            return 1;
        printf("%s\n", name);
    }
    return 0;
}
