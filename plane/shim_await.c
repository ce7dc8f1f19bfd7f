/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ClickHouse server that starts while its Keeper comes up may lose tables until its next start: 18.16 then goes on
 * without the ones whose first request broke off. So a start waits, for a while, until one of its Keepers serves. One that
 * does not come keeps no server from starting: without Keeper tables are there, and read-only.
 */
#include "plane/shim_run.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AWAIT_MS = 20000, AGAIN_MS = 100, ANSWER_MS = 300 };

/* "srvr" is answered with a mode by a member that serves; one that does not allow the word serves, too. */
static bool answers(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char text[1024];
    size_t have = 0;
    ssize_t n = 0;

    if (send(fd, "srvr", 4, MSG_NOSIGNAL) != 4)
        return false;
    while (have + 1 < sizeof text && poll(&p, 1, ANSWER_MS) > 0 && (n = recv(fd, text + have, sizeof text - 1 - have, 0)) > 0)
        have += (size_t)n;
    text[have] = '\0';
    return strstr(text, "Mode:") || strstr(text, "is not executed");
}

static bool serves(unsigned port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0 && answers(fd);

    if (fd >= 0)
        close(fd);
    return yes;
}

bool shim_awaits(struct shim *s)
{
    uint64_t now = shim_mono_ms();
    bool there = s->spec.n_await == 0, first = !s->await_since;

    for (size_t i = 0; i < s->spec.n_await && !there; i++)
        there = serves(s->spec.await[i]);
    if (first)
        s->await_since = now;
    if (there || now - s->await_since >= AWAIT_MS) {
        s->await_since = 0;
        return false;
    }
    s->st.phase = SHIM_WAITING;
    s->start_at = now + AGAIN_MS;
    s->st.next_ms = shim_wall_ms() + AGAIN_MS;
    if (first)
        shim_changed(s);
    return true;
}
