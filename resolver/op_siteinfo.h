/* SPDX-License-Identifier: Apache-2.0
 *
 * OC_GET_SITE_INFO (2): which service this is and where it listens.
 */
#pragma once

#include "resolver/exchange.h"

/* Answers with the raw HS_SITE record of the generation, whatever handle was named. */
exchange_handler op_siteinfo;
