/* SPDX-License-Identifier: Apache-2.0
 *
 * /openapi.json: docs/openapi.json as it was built in (resolver/CMakeLists.txt).
 */
#include "resolver/http_route.h"
#include "resolver/openapi_document.h"

enum status http_openapi_document(struct http_call *call)
{
    http_reply_begin(call, 200);
    http_reply_body(call, "application/json", bytes_of(openapi_document, sizeof(openapi_document)));
    return STATUS_OK;
}
