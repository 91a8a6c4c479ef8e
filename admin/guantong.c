/* SPDX-License-Identifier: Apache-2.0
 *
 * The program `guantong`.
 */
#include <openssl/crypto.h>

#include "admin/command.h"

int main(int argc, char **argv)
{
    /* A libcrypto that found no memory to set itself up ends the process when it is asked. */
    if (OSSL_LIB_CTX_get0_global_default() == NULL) {
        (void)fputs("guantong: out of memory\n", stderr);
        return EXIT_REFUSED;
    }
    return command_main(argc, argv, stdout, stderr);
}
