/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"

enum { LIFE_DAYS = 3650, RENEW_DAYS = 90 };

void tls_free(struct tls_files *f)
{
    free(f->ca);
    free(f->cert);
    if (f->key)
        OPENSSL_cleanse(f->key, strlen(f->key));
    free(f->key);
    if (f->token)
        OPENSSL_cleanse(f->token, strlen(f->token));
    free(f->token);
    memset(f, 0, sizeof *f);
}

/* ---- PEM ---- */

static char *bio_text(BIO *bio)
{
    char *data;
    long n = BIO_get_mem_data(bio, &data);
    char *text = mem_strn(data, (size_t)n);

    BIO_free(bio);
    return text;
}

static char *cert_pem(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_X509(bio, cert);
    return bio_text(bio);
}

static char *key_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    return bio_text(bio);
}

static X509 *cert_of(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    return cert;
}

static EVP_PKEY *key_of(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    BIO_free(bio);
    return key;
}

/* ---- certificates ---- */

static EVP_PKEY *new_key(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    EVP_PKEY *key = NULL;

    if (ctx && EVP_PKEY_keygen_init(ctx) > 0 && EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) > 0)
        EVP_PKEY_keygen(ctx, &key);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    if (ext)
        X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

static X509 *new_cert(const char *name, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    unsigned char serial[16];
    BIGNUM *n;

    X509_set_version(cert, 2);
    RAND_bytes(serial, sizeof serial);
    serial[0] &= 0x7f;
    n = BN_bin2bn(serial, sizeof serial, NULL);
    BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
    BN_free(n);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400L * LIFE_DAYS);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_pubkey(cert, key);
    return cert;
}

static X509 *make_ca(EVP_PKEY *key)
{
    X509 *cert = new_cert("chfleet-plane CA", key);

    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(cert, cert, NID_subject_key_identifier, "hash");
    X509_sign(cert, key, EVP_sha256());
    return cert;
}

static X509 *make_server(EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key)
{
    X509 *cert = new_cert("chfleet-plane", key);

    X509_set_issuer_name(cert, X509_get_subject_name(ca));
    add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(cert, ca, NID_key_usage, "critical,digitalSignature");
    add_extension(cert, ca, NID_ext_key_usage, "serverAuth");
    add_extension(cert, ca, NID_authority_key_identifier, "keyid");
    add_extension(cert, ca, NID_subject_alt_name,
                  "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:::1");
    X509_sign(cert, ca_key, EVP_sha256());
    return cert;
}

/* ---- files ---- */

static int read_pem(struct world *w, const char *dir, const char *name, char **out)
{
    auto_free char *path = mem_printf("%s/pki/%s", dir, name);
    struct err err = ERR_INIT;
    size_t n;

    return w->ops->read_file(w, path, out, &n, &err);
}

static int write_pem(struct world *w, const char *dir, const char *name, const char *text, unsigned mode,
                     struct err *err)
{
    auto_free char *path = mem_printf("%s/pki/%s", dir, name);

    return w->ops->write_file(w, path, text, strlen(text), mode, err);
}

static bool fits(struct world *w, const char *cert_text, const char *key_text, X509 *ca)
{
    X509 *cert = cert_text ? cert_of(cert_text) : NULL;
    EVP_PKEY *key = key_text ? key_of(key_text) : NULL;
    bool ok = cert && key && X509_check_private_key(cert, key) == 1;
    time_t later = (time_t)(world_wall(w) / 1000) + 86400L * RENEW_DAYS;

    if (ok && ca) {
        EVP_PKEY *ca_key = X509_get_pubkey(ca);

        ok = X509_verify(cert, ca_key) == 1;
        EVP_PKEY_free(ca_key);
    }
    ok = ok && X509_cmp_time(X509_get0_notAfter(cert), &later) > 0;
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok;
}

static int load_ca(struct world *w, const char *dir, struct tls_files *f, char **key_text, struct err *err)
{
    EVP_PKEY *key;
    X509 *cert;

    if (read_pem(w, dir, "ca.crt", &f->ca) == 0 && read_pem(w, dir, "ca.key", key_text) == 0 &&
        fits(w, f->ca, *key_text, NULL))
        return 0;
    free(f->ca);
    free(*key_text);
    key = new_key();
    cert = key ? make_ca(key) : NULL;
    if (!cert) {
        f->ca = *key_text = NULL;
        EVP_PKEY_free(key);
        return err_set(err, ERR_BUG, 0, "OpenSSL makes no P-256 key");
    }
    f->ca = cert_pem(cert);
    *key_text = key_pem(key);
    X509_free(cert);
    EVP_PKEY_free(key);
    if (write_pem(w, dir, "ca.key", *key_text, 0600, err) < 0)
        return -1;
    return write_pem(w, dir, "ca.crt", f->ca, 0644, err);
}

static int load_server(struct world *w, const char *dir, struct tls_files *f, const char *ca_key_text, struct err *err)
{
    X509 *ca = cert_of(f->ca), *cert;
    EVP_PKEY *ca_key = key_of(ca_key_text), *key;
    int rc = 0;

    if (read_pem(w, dir, "server.crt", &f->cert) < 0 || read_pem(w, dir, "server.key", &f->key) < 0 ||
        !fits(w, f->cert, f->key, ca)) {
        free(f->cert);
        free(f->key);
        key = new_key();
        cert = make_server(key, ca, ca_key);
        f->cert = cert_pem(cert);
        f->key = key_pem(key);
        X509_free(cert);
        EVP_PKEY_free(key);
        rc = write_pem(w, dir, "server.key", f->key, 0600, err);
        if (rc == 0)
            rc = write_pem(w, dir, "server.crt", f->cert, 0644, err);
    }
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    return rc;
}

static int load_token(struct world *w, const char *dir, struct tls_files *f, struct err *err)
{
    unsigned char bytes[32];

    if (read_pem(w, dir, "token", &f->token) == 0) {
        f->token[strcspn(f->token, "\r\n")] = '\0';
        if (strlen(f->token) >= 32)
            return 0;
    }
    free(f->token);
    f->token = mem_zero(2 * sizeof bytes + 1);
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return err_set(err, ERR_SYS, 0, "the machine gives no random bytes");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(f->token + 2 * i, 3, "%02x", bytes[i]);
    return write_pem(w, dir, "token", f->token, 0600, err);
}

int tls_load(struct world *w, const char *dir, struct tls_files *out, struct err *err)
{
    auto_free char *pki = mem_printf("%s/pki", dir);
    char *ca_key = NULL;
    int rc;

    memset(out, 0, sizeof *out);
    if (mkdir(pki, 0700) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYS, errno, "mkdir %s", pki);
    rc = load_ca(w, dir, out, &ca_key, err);
    if (rc == 0)
        rc = load_server(w, dir, out, ca_key, err);
    if (rc == 0)
        rc = load_token(w, dir, out, err);
    if (ca_key)
        OPENSSL_cleanse(ca_key, strlen(ca_key));
    free(ca_key);
    if (rc < 0)
        tls_free(out);
    return rc;
}

int tls_write_kubeconfig(struct world *w, const char *dir, const char *host, unsigned port, const struct tls_files *f,
                         struct err *err)
{
    auto_free char *path = mem_printf("%s/kubeconfig", dir), *ca = hash_base64(f->ca, strlen(f->ca)), *old = NULL;
    auto_str struct str text = STR_INIT;
    struct err ignored = ERR_INIT;
    struct stat st;
    size_t n;
    bool v6 = strchr(host, ':') != NULL;

    str_addf(&text,
             "apiVersion: v1\nkind: Config\nclusters:\n- name: chfleet\n  cluster:\n    server: https://%s%s%s:%u\n"
             "    certificate-authority-data: %s\n",
             v6 ? "[" : "", host, v6 ? "]" : "", port, ca);
    str_addf(&text,
             "users:\n- name: chfleet\n  user:\n    token: %s\ncontexts:\n- name: chfleet\n  context:\n    cluster: "
             "chfleet\n"
             "    user: chfleet\n    namespace: default\ncurrent-context: chfleet\n",
             f->token);
    if (w->ops->read_file(w, path, &old, &n, &ignored) == 0 && strcmp(old, str_text(&text)) == 0 &&
        stat(path, &st) == 0 && (st.st_mode & 0777) == 0600)
        return 0;
    return w->ops->write_file(w, path, text.s, text.len, 0600, err);
}
