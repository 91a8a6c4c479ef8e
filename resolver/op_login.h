/* SPDX-License-Identifier: Apache-2.0
 *
 * The national SDKs' logins (protocol.md §12.3, §12.4): afterwards the connection is the
 * identity's, and requests on it come without answer, MAC or session.
 */
#pragma once

#include "resolver/exchange.h"

/* 2001, by key: a challenge, then its answer. */
exchange_handler op_login;

/* 2000, by user name and password in clear: refused with 5 unless auth.password_login. */
exchange_handler op_login_password;
