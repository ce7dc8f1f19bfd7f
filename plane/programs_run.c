/* SPDX-License-Identifier: Apache-2.0 */
/* What every container needs, whatever its kind: environment, command, translated paths. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plane/programs.h"

void container_plan_fini(struct container_plan *p)
{
    free(p->binary);
    free(p->digest);
    free(p->error_log);
    memset(p, 0, sizeof *p);
}

/* Numbers and booleans of YAML as text. Caller frees. */
static char *value_text(const cJSON *v)
{
    return cJSON_IsString(v) ? mem_str(v->valuestring) : json_print(v);
}

static void add_environment(const struct program *p, const struct container_run *r, struct shim_spec *spec)
{
    auto_free char *path =
        mem_printf("%s/bin:%s", r->dir, getenv("PATH") ? getenv("PATH") : "/usr/local/bin:/usr/bin:/bin");
    const cJSON *e;

    shim_spec_env(spec, "PATH", path);
    shim_spec_env(spec, "HOME", r->dir);
    shim_spec_env(spec, "LANG", getenv("LANG") ? getenv("LANG") : "C.UTF-8");
    shim_spec_env(spec, "HOSTNAME", json_name(r->pod));
    if (getenv("TZ"))
        shim_spec_env(spec, "TZ", getenv("TZ"));
    if (p->library_path)
        shim_spec_env(spec, "LD_LIBRARY_PATH", p->library_path);
    cJSON_ArrayForEach(e, p->env) {
        auto_free char *value = value_text(e);

        shim_spec_env(spec, e->string, value);
    }
    for (char **one = r->env; one && *one; one++) {
        size_t name = strcspn(*one, "=");
        auto_free char *key = mem_strn(*one, name);

        shim_spec_env(spec, key, *one + name + ((*one)[name] == '='));
    }
}

/* $(NAME) as Kubernetes expands it in command and args; $$(NAME) stays, as $(NAME). */
static char *expand(const struct shim_spec *spec, const char *text)
{
    struct str out = STR_INIT;

    while (*text) {
        size_t name = text[0] == '$' && text[1] == '(' ? strcspn(text + 2, ")") : 0, i = 0;

        if (text[0] == '$' && text[1] == '$') {
            str_addc(&out, '$');
            text += 2;
            continue;
        }
        for (i = 0; name && text[2 + name] == ')' && i < spec->n_env; i++)
            if (strncmp(spec->env[i], text + 2, name) == 0 && spec->env[i][name] == '=')
                break;
        if (name && text[2 + name] == ')' && i < spec->n_env) {
            str_add(&out, spec->env[i] + name + 1);
            text += name + 3;
        } else {
            str_addc(&out, *text++);
        }
    }
    return str_take(&out);
}

static void add_texts(const struct container_run *r, struct shim_spec *spec, const cJSON *list)
{
    const cJSON *one;

    cJSON_ArrayForEach(one, list) {
        auto_free char *expanded = expand(spec, cJSON_IsString(one) ? one->valuestring : "");
        auto_free char *mapped = path_maps_text(&r->maps, expanded);

        shim_spec_arg(spec, mapped);
    }
}

static int command_prepare(const struct program *p, struct container_run *r, const char *binary, struct shim_spec *spec,
                           struct err *err)
{
    if (json_get(r->container, "command"))
        return 0;
    if (!binary)
        return err_set(err, ERR_INPUT, 0,
                       "container %s names no command, and the program for its image (%s) no binary: add one of them",
                       json_str(r->container, "name", ""), p->where);
    shim_spec_arg(spec, binary);
    return 0;
}

/* Kinds put their own program in front; a command in the pod replaces it. */
static void add_command(const struct program *p, struct container_run *r, struct shim_spec *spec)
{
    const cJSON *command = json_get(r->container, "command"), *args = json_get(r->container, "args");

    if (cJSON_GetArraySize(command)) {
        for (size_t i = 0; i < spec->n_argv; i++)
            free(spec->argv[i]);
        spec->n_argv = 0;
        add_texts(r, spec, command);
    } else {
        for (char **a = p->args; a && *a; a++)
            shim_spec_arg(spec, *a);
    }
    add_texts(r, spec, args);
}

static void map_environment(struct container_run *r, struct shim_spec *spec)
{
    for (size_t i = 0; i < spec->n_env; i++) {
        char *value = strchr(spec->env[i], '=');

        if (value && value[1] == '/' && !str_starts(spec->env[i], "PATH=")) {
            char *mapped = path_maps_text(&r->maps, spec->env[i]);

            free(spec->env[i]);
            spec->env[i] = mapped;
        }
    }
}

static enum shim_restart restart_policy(const cJSON *pod)
{
    const char *policy = json_str(pod, "spec.restartPolicy", "Always");

    return strcmp(policy, "Never") == 0       ? SHIM_RESTART_NEVER
           : strcmp(policy, "OnFailure") == 0 ? SHIM_RESTART_ON_FAILURE
                                              : SHIM_RESTART_ALWAYS;
}

static int prepare_kind(const struct program *p, struct container_run *r, const char *binary, struct shim_spec *spec,
                        struct container_plan *plan, struct err *err)
{
    switch (p->kind) {
    case PROGRAM_CLICKHOUSE:
        return program_clickhouse_prepare(p, r, binary, spec, plan, err);
    case PROGRAM_KEEPER:
        return program_keeper_prepare(p, r, binary, spec, plan, err);
    case PROGRAM_COMMAND:
        return command_prepare(p, r, binary, spec, err);
    }
    return err_set(err, ERR_BUG, 0, "program of no kind");
}

int container_prepare(const struct program *p, struct container_run *r, struct shim_spec *spec,
                      struct container_plan *plan, struct err *err)
{
    auto_free char *bin = mem_printf("%s/bin", r->dir), *cwd = NULL;
    char *binary = p->binaries ? program_binary(p, err) : NULL;
    const char *working_dir = json_str(r->container, "workingDir", NULL);

    memset(plan, 0, sizeof *plan);
    memset(spec, 0, sizeof *spec);
    if (p->binaries && !binary)
        return -1;
    plan->binary = binary ? binary : mem_str(json_str(r->container, "command.0", ""));
    spec->restart = restart_policy(r->pod);
    add_environment(p, r, spec);
    if (program_mkdirs(bin, err) < 0 || prepare_kind(p, r, binary, spec, plan, err) < 0) {
        container_plan_fini(plan);
        shim_spec_fini(spec);
        return -1;
    }
    add_command(p, r, spec);
    map_environment(r, spec);
    cwd = working_dir ? path_maps_to(&r->maps, working_dir) : mem_str(r->dir);
    if (!spec->cwd)
        spec->cwd = mem_str(cwd);
    return 0;
}
