/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit of judging proofs: so many RSA-2048 signatures (SHA-256, PKCS #1 v1.5) or HMAC-SHA256
 * codes over 48 bytes as one thread verifies. Frozen: it uses no header of ours.
 *
 *   baseline_verify rsa|hmac SECONDS       prints the microseconds of CPU for each
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGE_BYTES 48 /* nonce and digest of a challenge */
#define PER_LOOK 100

static unsigned char message[MESSAGE_BYTES];
static const unsigned char secret[] = "twelve bytes";

static double cpu_seconds(void)
{
    struct timespec used;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void need(int holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "baseline_verify: %s\n", what);
        exit(1);
    }
}

static size_t sign(EVP_PKEY *key, unsigned char *signature, size_t size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    need(context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
             EVP_DigestSign(context, signature, &size, message, sizeof(message)) == 1,
         "cannot sign");
    EVP_MD_CTX_free(context);
    return size;
}

static void verify_rsa(EVP_PKEY *key, const unsigned char *signature, size_t size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    need(context != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
             EVP_DigestVerify(context, signature, size, message, sizeof(message)) == 1,
         "does not verify");
    EVP_MD_CTX_free(context);
}

static void verify_hmac(const unsigned char *code, unsigned size)
{
    unsigned char made[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    need(HMAC(EVP_sha256(), secret, sizeof(secret) - 1, message, sizeof(message), made, &len) !=
                 NULL &&
             len == size && CRYPTO_memcmp(made, code, len) == 0,
         "another code");
}

int main(int count, char **text)
{
    unsigned char proof[512];
    unsigned code_size = 0;
    if (count < 3) {
        (void)fprintf(stderr, "baseline_verify rsa|hmac SECONDS\n");
        return 2;
    }
    int is_rsa = strcmp(text[1], "rsa") == 0;
    EVP_PKEY *key = is_rsa ? EVP_RSA_gen(2048) : NULL;
    need(!is_rsa || key != NULL, "no key");
    size_t size = is_rsa ? sign(key, proof, sizeof(proof)) : 0;
    if (!is_rsa) {
        (void)HMAC(EVP_sha256(), secret, sizeof(secret) - 1, message, sizeof(message), proof,
                   &code_size);
    }
    double begin = cpu_seconds();
    double until = begin + strtod(text[2], NULL);
    unsigned long done = 0;
    while (cpu_seconds() < until) {
        for (int i = 0; i < PER_LOOK; i++, done++) {
            if (is_rsa) {
                verify_rsa(key, proof, size);
            } else {
                verify_hmac(proof, code_size);
            }
        }
    }
    printf("%.4f\n", (cpu_seconds() - begin) * 1e6 / (double)done);
    EVP_PKEY_free(key);
    return 0;
}
