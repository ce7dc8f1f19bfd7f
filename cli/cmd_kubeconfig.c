/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/api.h"
#include "cli/daemon.h"

static int print_file(const char *path, struct err *err)
{
    FILE *f = fopen(path, "re");
    char buf[4096];
    size_t n;

    if (!f)
        return err_set(err, ERR_SYS, 0, "cannot read %s", path);
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        fwrite(buf, 1, n, stdout);
    fclose(f);
    return 0;
}

int cmd_kubeconfig(struct cli *c)
{
    struct err err = ERR_INIT;
    auto_free char *dir = api_data_dir(c, &err), *path = dir ? daemon_path(dir, "plane/kubeconfig") : NULL;

    if (path && access(path, F_OK) < 0)
        err_set(&err, ERR_AGAIN, 0, "%s is not there yet: chfleet up makes it", path);
    if (err.kind == ERR_NONE && cli_flag(c, "raw"))
        print_file(path, &err);
    else if (err.kind == ERR_NONE)
        printf("%s\n", path);
    return err.kind == ERR_NONE ? EXIT_DONE : cli_fail(c, &err);
}
