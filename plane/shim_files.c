/* SPDX-License-Identifier: Apache-2.0 */
/* The shim's files: what to run, and what became of it. Used by the shim and by the node agent. */
#include "plane/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define SPEC_HEAD "chfleet-shim-spec 1\n"

const char *const shim_phase_names[SHIM_PHASES] = {"waiting", "running", "stopping", "exited"};
static const char *const restart_names[] = {"Always", "OnFailure", "Never"};

/* ---- spec ---- */

static void free_list(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

void shim_spec_fini(struct shim_spec *s)
{
    free_list(s->argv, s->n_argv);
    free_list(s->env, s->n_env);
    free(s->cwd);
    free(s->await);
    memset(s, 0, sizeof *s);
}

static void push(char ***list, size_t *n, char *takes)
{
    *list = mem_grow(*list, *n + 2, sizeof **list);
    (*list)[(*n)++] = takes;
    (*list)[*n] = NULL;
}

void shim_spec_arg(struct shim_spec *s, const char *text)
{
    push(&s->argv, &s->n_argv, mem_str(text));
}

void shim_spec_await(struct shim_spec *s, unsigned port)
{
    s->await = mem_grow(s->await, s->n_await + 1, sizeof *s->await);
    s->await[s->n_await++] = port;
}

static void put_env(struct shim_spec *s, char *takes)
{
    size_t name = strcspn(takes, "=") + 1;

    for (size_t i = 0; i < s->n_env; i++)
        if (strncmp(s->env[i], takes, name) == 0) {
            free(s->env[i]);
            s->env[i] = takes;
            return;
        }
    push(&s->env, &s->n_env, takes);
}

void shim_spec_env(struct shim_spec *s, const char *name, const char *value)
{
    put_env(s, mem_printf("%s=%s", name, value));
}

static void put_escaped(struct str *out, const char *key, const char *text)
{
    str_add(out, key);
    for (; *text; text++) {
        if (*text == '\n')
            str_add(out, "\\n");
        else if (*text == '\\')
            str_add(out, "\\\\");
        else
            str_addc(out, *text);
    }
    str_addc(out, '\n');
}

void shim_spec_encode(const struct shim_spec *s, struct str *out)
{
    str_add(out, SPEC_HEAD);
    put_escaped(out, "cwd ", s->cwd ? s->cwd : "/");
    str_addf(out, "restart %s\n", restart_names[s->restart]);
    str_addf(out, "log_max %" PRIu64 "\nlog_files %u\n", s->log_max, s->log_files);
    for (size_t i = 0; i < s->n_await; i++)
        str_addf(out, "await %u\n", s->await[i]);
    for (size_t i = 0; i < s->n_argv; i++)
        put_escaped(out, "arg ", s->argv[i]);
    for (size_t i = 0; i < s->n_env; i++)
        put_escaped(out, "env ", s->env[i]);
}

static char *unescaped(const char *text, size_t len)
{
    char *out = mem_alloc(len + 1), *p = out;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 1 < len)
            *p++ = text[++i] == 'n' ? '\n' : text[i];
        else
            *p++ = text[i];
    }
    *p = '\0';
    return out;
}

static void take_spec_line(struct shim_spec *s, const char *key, size_t key_len, char *takes)
{
    auto_free char *value = takes;

    if (key_len == 3 && strncmp(key, "arg", 3) == 0) {
        push(&s->argv, &s->n_argv, value);
        value = NULL;
    } else if (key_len == 3 && strncmp(key, "env", 3) == 0) {
        put_env(s, value);
        value = NULL;
    } else if (key_len == 3 && strncmp(key, "cwd", 3) == 0) {
        free(s->cwd);
        s->cwd = value;
        value = NULL;
    } else if (key_len == 7 && strncmp(key, "restart", 7) == 0) {
        for (int i = 0; i < 3; i++)
            if (strcmp(value, restart_names[i]) == 0)
                s->restart = (enum shim_restart)i;
    } else if (key_len == 7 && strncmp(key, "log_max", 7) == 0) {
        s->log_max = strtoull(value, NULL, 10);
    } else if (key_len == 9 && strncmp(key, "log_files", 9) == 0) {
        s->log_files = (unsigned)strtoul(value, NULL, 10);
    } else if (key_len == 5 && strncmp(key, "await", 5) == 0) {
        shim_spec_await(s, (unsigned)strtoul(value, NULL, 10));
    }
}

int shim_spec_decode(const char *text, struct shim_spec *s, struct err *err)
{
    struct shim_spec got = {0};

    memset(s, 0, sizeof *s);
    if (!str_starts(text, SPEC_HEAD))
        return err_set(err, ERR_INPUT, 0, "not a container specification of this version");
    for (const char *p = text + strlen(SPEC_HEAD); *p;) {
        size_t line = strcspn(p, "\n"), key = strcspn(p, " \n");

        if (key < line)
            take_spec_line(&got, p, key, unescaped(p + key + 1, line - key - 1));
        p += line + (p[line] == '\n');
    }
    if (!got.n_argv) {
        shim_spec_fini(&got);
        return err_set(err, ERR_INPUT, 0, "the container specification names no program");
    }
    if (!got.log_max)
        got.log_max = 10u << 20;
    if (!got.log_files)
        got.log_files = 2;
    *s = got;
    return 0;
}

/* ---- state ---- */

void shim_state_encode(const struct shim_state *s, struct str *out)
{
    str_addf(out, "status boot=%s phase=%s pid=%" PRId64 " start=%" PRIu64 " started_ms=%" PRIu64 " restarts=%" PRIu64,
             s->boot[0] ? s->boot : "-", shim_phase_names[s->phase], s->pid, s->start, s->started_ms, s->restarts);
    str_addf(out, " shim=%" PRId64 " shim_start=%" PRIu64 " next_ms=%" PRIu64, s->shim, s->shim_start, s->next_ms);
    if (s->last_pid || s->reason[0])
        str_addf(out,
                 " exit=%d signal=%d last_pid=%" PRId64 " last_start=%" PRIu64 " last_started_ms=%" PRIu64
                 " finished_ms=%" PRIu64 " reason=%s",
                 s->exit_code, s->exit_signal, s->last_pid, s->last_start, s->last_started_ms, s->finished_ms,
                 s->reason[0] ? s->reason : "-");
    if (s->message[0]) {
        size_t from = out->len;

        str_addf(out, " message=%s", s->message);
        for (size_t i = from; i < out->len; i++)
            if (out->s[i] == '\n')
                out->s[i] = ' ';
    }
    str_addc(out, '\n');
}

static bool word_is(const char *p, const char *key, const char **value)
{
    size_t n = strlen(key);

    if (strncmp(p, key, n) != 0 || p[n] != '=')
        return false;
    *value = p + n + 1;
    return true;
}

static void copy_word(char *to, size_t size, const char *value, size_t len)
{
    if (len >= size)
        len = size - 1;
    if (len == 1 && value[0] == '-')
        len = 0;
    memcpy(to, value, len);
    to[len] = '\0';
}

static void take_phase(struct shim_state *s, const char *v)
{
    for (int i = 0; i < SHIM_PHASES; i++)
        if (str_starts(v, shim_phase_names[i]))
            s->phase = (enum shim_phase)i;
}

static void take_number(struct shim_state *s, const char *p)
{
    const struct {
        const char *key;
        uint64_t *to;
    } counts[] = {
        {"start", &s->start},
        {"started_ms", &s->started_ms},
        {"restarts", &s->restarts},
        {"next_ms", &s->next_ms},
        {"shim_start", &s->shim_start},
        {"last_start", &s->last_start},
        {"finished_ms", &s->finished_ms},
        {"last_started_ms", &s->last_started_ms},
    };
    const char *v;

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (word_is(p, counts[i].key, &v))
            *counts[i].to = strtoull(v, NULL, 10);
    if (word_is(p, "pid", &v))
        s->pid = strtoll(v, NULL, 10);
    else if (word_is(p, "shim", &v))
        s->shim = strtoll(v, NULL, 10);
    else if (word_is(p, "last_pid", &v))
        s->last_pid = strtoll(v, NULL, 10);
    else if (word_is(p, "exit", &v))
        s->exit_code = (int)strtol(v, NULL, 10);
    else if (word_is(p, "signal", &v))
        s->exit_signal = (int)strtol(v, NULL, 10);
}

int shim_state_decode(const char *line, struct shim_state *s, struct err *err)
{
    struct shim_state got = {.phase = SHIM_WAITING};
    const char *v;

    if (!str_starts(line, "status "))
        return err_set(err, ERR_INPUT, 0, "not a status line: %.60s", line);
    for (const char *p = line + 7; *p && *p != '\n';) {
        size_t len = strcspn(p, " \n");

        if (word_is(p, "message", &v)) {
            copy_word(got.message, sizeof got.message, v, strcspn(v, "\n"));
            break;
        }
        if (word_is(p, "boot", &v))
            copy_word(got.boot, sizeof got.boot, v, len - (size_t)(v - p));
        else if (word_is(p, "reason", &v))
            copy_word(got.reason, sizeof got.reason, v, len - (size_t)(v - p));
        else if (word_is(p, "phase", &v))
            take_phase(&got, v);
        else
            take_number(&got, p);
        p += len + (p[len] == ' ');
    }
    *s = got;
    return 0;
}

uint64_t shim_backoff_ms(unsigned *step, uint64_t uptime_ms, bool clean)
{
    uint64_t wait;

    if (uptime_ms > (clean ? 1000 : 10000))
        *step = 0;
    wait = *step == 0 ? 200 : *step > 6 ? 60000 : 1000u << (*step - 1);
    if (*step < 7)
        (*step)++;
    return wait > 60000 ? 60000 : wait;
}

/* ---- the machine ---- */

char *shim_read(int dir, const char *name)
{
    auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    struct str s = STR_INIT;
    char buf[4096];
    ssize_t n;

    if (fd < 0)
        return NULL;
    while ((n = read(fd, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            str_addn(&s, buf, (size_t)n);
    return str_take(&s);
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

int shim_write(int dir, const char *name, const char *text, size_t len, unsigned mode, struct err *err)
{
    auto_free char *tmp = mem_printf("%s.%d.new", name, (int)getpid());
    auto_close int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    if (fd < 0)
        return err_set(err, ERR_SYS, errno, "create %s", tmp);
    if (write_all(fd, text, len) < 0 || renameat(dir, tmp, dir, name) < 0) {
        int why = errno;

        unlinkat(dir, tmp, 0);
        return err_set(err, ERR_SYS, why, "write %s", name);
    }
    return 0;
}

const char *shim_boot_id(char *buf)
{
    auto_free char *text = shim_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id");

    snprintf(buf, 40, "%.*s", text ? (int)strcspn(text, "\n") : 0, text ? text : "");
    return buf;
}

uint64_t shim_proc_start(pid_t pid)
{
    char path[48];
    auto_free char *text = NULL;
    const char *p;
    unsigned long long start = 0;
    char state = 'Z';

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    text = pid > 0 ? shim_read(AT_FDCWD, path) : NULL;
    p = text ? strrchr(text, ')') : NULL; /* the name may hold anything, also ')' */
    if (!p || sscanf(p + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &state,
                     &start) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : start;
}

int shim_last_state(const char *dir, struct shim_state *s, bool *alive, struct err *err)
{
    auto_close int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    auto_free char *text = fd >= 0 ? shim_read(fd, "state") : NULL;
    char boot[40];

    if (!text)
        return err_set(err, ERR_MISSING, 0, "%s: no container was started here", dir);
    if (shim_state_decode(text, s, err) < 0)
        return err_ctx(err, "%s/state", dir);
    if (alive)
        *alive = s->pid > 0 && strcmp(s->boot, shim_boot_id(boot)) == 0 && shim_proc_start((pid_t)s->pid) == s->start;
    return 0;
}

bool shim_log_begun(int dir, const char *name, long long *before, long long *at)
{
    auto_free char *text = shim_read(dir, name);

    return text && sscanf(text, "%lld %lld", before, at) == 2;
}
