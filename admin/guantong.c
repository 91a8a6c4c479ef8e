/* SPDX-License-Identifier: Apache-2.0
 *
 * The program `guantong`.
 */
#include "admin/command.h"

int main(int argc, char **argv)
{
    return command_main(argc, argv, stdout, stderr);
}
