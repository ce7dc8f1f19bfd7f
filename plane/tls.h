/* SPDX-License-Identifier: Apache-2.0 */
/* Who the plane is and who may talk to it: its CA, its server certificate, its token, and the kubeconfig that holds
 * them. */
#ifndef PLANE_TLS_H
#define PLANE_TLS_H

#include "base/err.h"
#include "base/world.h"

struct tls_files {
    char *ca;         /* PEM */
    char *cert, *key; /* PEM of the server */
    char *token;
};

/* Reads DIR/pki/{ca.crt,ca.key,server.crt,server.key,token}; what is missing is made (EC P-256, ten years; the server
 * certificate is renewed when less than 90 days are left). Files with keys have mode 0600. Blocks on the disk. */
int tls_load(struct world *w, const char *dir, struct tls_files *out, struct err *err);
void tls_free(struct tls_files *f);

/* Writes DIR/kubeconfig (0600) for https://127.0.0.1:PORT, by rename, when it differs from what is there. */
int tls_write_kubeconfig(struct world *w, const char *dir, const char *host, unsigned port, const struct tls_files *f,
                         struct err *err);

#endif
