/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

int addr_split(const char *address, const char *what, char *host, size_t size, unsigned short *port, struct err *err)
{
    const char *colon = strrchr(address, ':'), *from = address;
    size_t len = colon ? (size_t)(colon - address) : 0;
    char *end = NULL;
    long n = colon ? strtol(colon + 1, &end, 10) : -1;

    if (len > 1 && address[0] == '[' && colon[-1] == ']') {
        from++;
        len -= 2;
    }
    if (!colon || len >= size || !colon[1] || *end || n < 0 || n > 65535)
        return err_set(err, ERR_INPUT, 0, "%s \"%s\": write HOST:PORT, for example 127.0.0.1:8080", what, address);
    snprintf(host, size, "%.*s", (int)len, from);
    if (!*host)
        snprintf(host, size, "0.0.0.0");
    *port = (unsigned short)n;
    return 0;
}

int addr_write(int fd, const char *host, const char *file, struct err *err)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    const char *form = strchr(host, ':') ? "[%s]:%u\n" : "%s:%u\n";
    auto_free char *tmp = mem_printf("%s.tmp", file);
    unsigned port;
    FILE *f;

    if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
        return err_set(err, ERR_SYS, errno, "the port that was given cannot be read");
    port = ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port : ((struct sockaddr_in *)&ss)->sin_port);
    f = fopen(tmp, "w");
    if (!f)
        return err_set(err, ERR_SYS, errno, "%s cannot be written", tmp);
    fprintf(f, form, host, port);
    if (fclose(f) != 0 || rename(tmp, file) < 0)
        return err_set(err, ERR_SYS, errno, "%s cannot be written", file);
    return 0;
}
