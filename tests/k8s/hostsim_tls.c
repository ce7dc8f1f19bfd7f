/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates of the simulated servers: an authority of this process, and one certificate per host, for its Service's names. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "tests/k8s/hostsim_impl.h"

enum { VALID_S = 86400 };

struct hs_tls {
    EVP_PKEY *key; /* of all */
    X509 *ca;
    long serial;
};

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *text)
{
    X509V3_CTX ctx;
    X509_EXTENSION *x;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    x = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
    X509_add_ext(cert, x, -1);
    X509_EXTENSION_free(x);
}

static X509 *new_cert(struct hs_tls *t, const char *name)
{
    X509 *cert = X509_new();

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++t->serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), VALID_S);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, t->ca ? X509_get_subject_name(t->ca) : X509_get_subject_name(cert));
    X509_set_pubkey(cert, t->key);
    return cert;
}

struct hs_tls *hs_tls_new(void)
{
    struct hs_tls *t = mem_zero(sizeof *t);
    X509 *ca;

    t->key = EVP_EC_gen("P-256");
    ca = new_cert(t, "simulated hosts");
    add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(ca, ca, NID_key_usage, "critical,keyCertSign");
    X509_sign(ca, t->key, EVP_sha256());
    t->ca = ca;
    return t;
}

char *hs_tls_authority(const struct hs_tls *t)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long n;

    PEM_write_bio_X509(bio, t->ca);
    n = BIO_get_mem_data(bio, &text);
    text = mem_strn(text, (size_t)n);
    BIO_free(bio);
    return text;
}

/* "ns/SERVICE-0": names of the Service as they are used inside of a cluster */
static X509 *host_cert(struct hs_tls *t, const char *pod, const char *ip)
{
    size_t ns_len = strcspn(pod, "/"), len = strlen(pod) - ns_len - 1;
    auto_free char *ns = mem_strn(pod, ns_len), *svc = mem_strn(pod + ns_len + 1, len > 2 ? len - 2 : len);
    auto_free char *names = mem_printf("DNS:%s,DNS:%s.%s,DNS:%s.%s.svc,DNS:%s.%s.svc.cluster.local,IP:%s", svc, svc, ns, svc, ns,
                                       svc, ns, ip);
    X509 *cert = new_cert(t, "host");

    add_extension(cert, t->ca, NID_subject_alt_name, names);
    X509_sign(cert, t->key, EVP_sha256());
    return cert;
}

SSL_CTX *hs_tls_host(struct hs_tls *t, const char *pod, const char *ip)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    X509 *cert = host_cert(t, pod, ip);

    SSL_CTX_use_certificate(ctx, cert);
    SSL_CTX_use_PrivateKey(ctx, t->key);
    X509_free(cert);
    return ctx;
}
