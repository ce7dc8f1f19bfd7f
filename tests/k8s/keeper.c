/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry point of the test's Keeper image: ZooKeeper with what Keeper's configuration files say.
 *
 *   k8s-keeper ETC DATA COMMAND…    ETC: /etc/clickhouse-keeper; DATA: ZooKeeper's folder; COMMAND… zoo.cfg
 *
 * Reads ETC/conf.d and ETC/keeper_config.d in the order in which Keeper merges them, writes a zoo.cfg with the same members,
 * ports and time-outs, runs ZooKeeper as its child, and answers GET /ready on port 9182 as Keeper does. SIGTERM goes to
 * the child; its end is ours.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "plane/translate.h"

enum { READY_PORT = 9182, CLIENT_PORT = 2181, PATIENCE_MS = 2000 };

static volatile sig_atomic_t child;

static void on_term(int signo)
{
    if (child > 0)
        kill((pid_t)child, signo);
}

static char *read_text(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    auto_str struct str out = STR_INIT;
    char buf[4096];
    ssize_t n;

    if (fd < 0)
        return NULL;
    while ((n = read(fd, buf, sizeof buf)) > 0)
        str_addn(&out, buf, (size_t)n);
    close(fd);
    return str_take(&out);
}

static int only_xml(const struct dirent *e)
{
    return e->d_name[0] != '.' && str_ends(e->d_name, ".xml");
}

static int read_dir(struct keeper_conf *k, const char *etc, const char *name, struct err *err)
{
    auto_free char *dir = mem_printf("%s/%s", etc, name);
    struct dirent **list = NULL;
    int n = scandir(dir, &list, only_xml, alphasort), rc = 0;

    for (int i = 0; i < n; i++) {
        auto_free char *path = mem_printf("%s/%s", dir, list[i]->d_name);
        auto_free char *text = read_text(path);

        if (text && keeper_conf_read(k, text, strlen(text), err) < 0) {
            err_ctx(err, "%s", path);
            rc = -1;
        }
        free(list[i]);
    }
    free(list);
    return rc;
}

/* As translate_zoo_cfg(), but for members with names of their own: they keep one second port for the election. */
static void zoo_cfg(const struct keeper_conf *k, const char *data, struct str *out)
{
    str_addf(out, "tickTime=2000\ndataDir=%s\nclientPort=%u\n", data, k->tcp_port ? k->tcp_port : CLIENT_PORT);
    str_add(out, "maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=*\n");
    if (k->session_min_ms)
        str_addf(out, "minSessionTimeout=%u\n", k->session_min_ms);
    if (k->session_max_ms)
        str_addf(out, "maxSessionTimeout=%u\n", k->session_max_ms);
    if (k->n_members < 2)
        return;
    str_add(out, "initLimit=20\nsyncLimit=10\nquorumListenOnAllIPs=true\n");
    for (size_t i = 0; i < k->n_members; i++)
        str_addf(out, "server.%u=%s:%u:%u\n", k->members[i].id + 1, k->members[i].host, k->members[i].port,
                 k->members[i].port + 1);
}

static int write_text(const char *path, const char *text, struct err *err)
{
    FILE *f = fopen(path, "we");

    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        return err_set(err, ERR_SYS, errno, "write %s", path);
    return 0;
}

static int prepare(const char *etc, const char *data, unsigned *port, struct err *err)
{
    struct keeper_conf k = {.server_id = 0};
    auto_str struct str cfg = STR_INIT;
    auto_free char *id_path = mem_printf("%s/myid", data), *id = NULL;
    int rc = 0;

    if (mkdir(data, 0755) < 0 && errno != EEXIST)
        rc = err_set(err, ERR_SYS, errno, "make %s", data);
    if (rc == 0)
        rc = read_dir(&k, etc, "conf.d", err);
    if (rc == 0)
        rc = read_dir(&k, etc, "keeper_config.d", err);
    if (rc == 0) {
        id = mem_printf("%d\n", k.server_id + 1);
        zoo_cfg(&k, data, &cfg);
        printf("%s", cfg.s);
        fflush(stdout);
        *port = k.tcp_port ? k.tcp_port : CLIENT_PORT;
        rc = write_text(id_path, id, err) < 0 ? -1 : write_text("/tmp/zoo.cfg", cfg.s, err);
    }
    keeper_conf_fini(&k);
    return rc;
}

/* True when ZooKeeper says which mode it is in: only then it serves. */
static bool serves(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto_str struct str answer = STR_INIT;
    char buf[512];
    ssize_t n;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && send(fd, "srvr", 4, MSG_NOSIGNAL) == 4)
        while ((n = recv(fd, buf, sizeof buf, 0)) > 0)
            str_addn(&answer, buf, (size_t)n);
    close(fd);
    return answer.len && strstr(answer.s, "Mode:");
}

static int listener(struct err *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(READY_PORT), .sin_addr.s_addr = htonl(INADDR_ANY)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 16) < 0)
        return err_set(err, ERR_SYS, errno, "listen on port %d", READY_PORT);
    return fd;
}

static void answer(int server, unsigned port)
{
    int fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    char request[2048];
    const char *text;

    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (recv(fd, request, sizeof request, 0) > 0) {
        text = serves(port) ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
                            : "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
        (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
    }
    close(fd);
}

static pid_t start(char **command, int n)
{
    char **argv = mem_array((size_t)n + 2, sizeof *argv);
    pid_t pid;

    for (int i = 0; i < n; i++)
        argv[i] = command[i];
    argv[n] = (char *)"/tmp/zoo.cfg";
    pid = fork();
    if (pid == 0) {
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    free(argv);
    return pid;
}

int main(int argc, char **argv)
{
    struct sigaction act = {.sa_handler = on_term};
    unsigned port = 0;
    struct err err = {0};
    int fd, status = 0;

    if (argc < 4) {
        fprintf(stderr, "usage: k8s-keeper ETC DATA COMMAND...\n");
        return 2;
    }
    if (prepare(argv[1], argv[2], &port, &err) < 0 || (fd = listener(&err)) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    child = start(argv + 3, argc - 3);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (poll(&p, 1, 200) > 0)
            answer(fd, port);
        if (waitpid((pid_t)child, &status, WNOHANG) == (pid_t)child)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}
