/* Certificates for tests, made while they run: nothing to commit, nothing that expires. */
#pragma once

#include <assert.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/buf.h"

struct test_pem {
    X509      *x;
    EVP_PKEY  *key;
    struct buf cert_pem, key_pem;
};

static __attribute__((unused)) void pem_extend(X509 *x, const X509 *issuer, int nid, const char *value)
{
    X509V3_CTX      ctx;
    X509_EXTENSION *e;

    X509V3_set_ctx(&ctx, (X509 *)(uintptr_t)issuer, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert(e != NULL && X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
}

static __attribute__((unused)) struct buf pem_text(int (*write)(BIO *b, const void *what), const void *what)
{
    BIO       *b = BIO_new(BIO_s_mem());
    struct buf out = { 0 };
    char      *p;

    assert(write(b, what) == 1);
    long n = BIO_get_mem_data(b, &p);
    buf_put(&out, p, (size_t)n);
    BIO_free(b);
    return out;
}

static __attribute__((unused)) int pem_write_cert(BIO *b, const void *x) { return PEM_write_bio_X509(b, x); }

static __attribute__((unused)) int pem_write_key(BIO *b, const void *key)
{
    return PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
}

/* Good from `from_s` until `to_s` seconds from now.  `issuer` NULL: a CA, signed by itself. */
static __attribute__((unused)) struct test_pem pem_new(const char *cn, const char *alternatives,
                                                       const struct test_pem *issuer, long from_s, long to_s)
{
    static long     serial = 1;
    struct test_pem t = { .x = X509_new(), .key = EVP_EC_gen("P-256") };
    X509_NAME      *name = X509_get_subject_name(t.x);

    X509_set_version(t.x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(t.x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(t.x), from_s);
    X509_gmtime_adj(X509_getm_notAfter(t.x), to_s);
    X509_set_pubkey(t.x, t.key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(t.x, issuer ? X509_get_subject_name(issuer->x) : name);
    if (issuer == NULL)
        pem_extend(t.x, t.x, NID_basic_constraints, "critical,CA:TRUE");
    if (alternatives != NULL)
        pem_extend(t.x, issuer ? issuer->x : t.x, NID_subject_alt_name, alternatives);
    assert(X509_sign(t.x, issuer ? issuer->key : t.key, EVP_sha256()) > 0);
    t.cert_pem = pem_text(pem_write_cert, t.x);
    t.key_pem = pem_text(pem_write_key, t.key);
    return t;
}

static __attribute__((unused)) void pem_free(struct test_pem *t)
{
    X509_free(t->x);
    EVP_PKEY_free(t->key);
    buf_free(&t->cert_pem);
    buf_free(&t->key_pem);
}
