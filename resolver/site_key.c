/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a private key file (site_key.h).
 */
#include "resolver/site_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status judge_file(int fd, const char *path, struct fault *fault)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0) {
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(facts.st_mode) || (facts.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return fault_set(fault, STATUS_ACCESS_DENIED,
                         "%s is not its owner's alone (mode %04o); chmod 600 it", path,
                         (unsigned)(facts.st_mode & 07777));
    }
    return STATUS_OK;
}

/* Nobody is asked for a passphrase. */
static int no_passphrase(char *room, int size, int rwflag, void *context)
{
    (void)room;
    (void)size;
    (void)rwflag;
    (void)context;
    return -1;
}

static enum status read_key(int fd, const char *path, bool is_private, EVP_PKEY **out_key,
                            struct fault *fault)
{
    FILE *file = fdopen(fd, "r");
    if (file == NULL) {
        (void)close(fd);
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", path, strerror(errno));
    }
    (void)ERR_set_mark();
    *out_key = is_private ? PEM_read_PrivateKey(file, NULL, no_passphrase, NULL)
                          : PEM_read_PUBKEY(file, NULL, no_passphrase, NULL);
    (void)ERR_pop_to_mark();
    (void)fclose(file);
    return *out_key != NULL ? STATUS_OK
                            : fault_set(fault, STATUS_CORRUPT, "%s holds no %s key in PEM", path,
                                        is_private ? "private" : "public");
}

static enum status load(const char *path, bool is_private, EVP_PKEY **out_key, struct fault *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return fault_set(fault, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_SYSTEM, "%s: %s", path,
                         strerror(errno));
    }
    enum status status = is_private ? judge_file(fd, path, fault) : STATUS_OK;
    if (status != STATUS_OK) {
        (void)close(fd);
        return status;
    }
    return read_key(fd, path, is_private, out_key, fault);
}

enum status site_key_load(const char *path, EVP_PKEY **out_key, struct fault *fault)
{
    return load(path, true, out_key, fault);
}

enum status site_key_load_public(const char *path, EVP_PKEY **out_key, struct fault *fault)
{
    return load(path, false, out_key, fault);
}
