/* SPDX-License-Identifier: Apache-2.0
 *
 * The snippets of other clients (key_snippets.h).
 */
#include "admin/key_snippets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct key_snippet snippets[] = {
    {"guantong", "this program, against any Handle server", "本程序，可用于任何 Handle 服务器",
     "guantong remote ls PREFIX @HOST --key %f --identity '%i:%h'\n"},
    {"hdl", "batch files of the reference tools (hdl-genericbatch); takes the reference form",
     "参考工具的批处理文件（hdl-genericbatch），需参考格式的密钥",
     "# guantong key convert %f privkey.bin --to reference\n"
     "AUTHENTICATE PUBKEY:%i:%h\n"
     "privkey.bin|\n"},
    {"java", "the reference Java library; takes the reference form",
     "参考 Java 库，需参考格式的密钥",
     "// guantong key convert %f privkey.bin --to reference\n"
     "byte[] file = java.nio.file.Files.readAllBytes(java.nio.file.Path.of(\"privkey.bin\"));\n"
     "byte[] record = net.handle.hdllib.Util.decrypt(file, null); // or the pass phrase's bytes\n"
     "AuthenticationInfo who = new PublicKeyAuthenticationInfo(\n"
     "    net.handle.hdllib.Util.encodeString(\"%h\"), %i,\n"
     "    net.handle.hdllib.Util.getPrivateKeyFromBytes(record, 0));\n"},
    {"national", "what the national SDKs ask for at login (opcode 2001)",
     "国家 SDK 登录（操作码 2001）所需内容",
     "user handle   %h\n"
     "user index    %i\n"
     "private key   PKCS #8 PEM: guantong key convert %f sdk.pem --to pem\n"},
    {"pyhandle", "PYHANDLE's credentials file (REST with a client certificate)",
     "PYHANDLE 的凭据文件（REST，客户端证书）",
     "{\n"
     "  \"client\": \"rest\",\n"
     "  \"handle_server_url\": \"https://HOST:8443\",\n"
     "  \"certificate_only\": \"certificate.pem\",\n"
     "  \"private_key\": \"%f\"\n"
     "}\n"},
    {"curl", "the REST interface with a client certificate", "REST 接口，客户端证书",
     "guantong key convert %f certificate.pem --to certificate --handle '%i:%h'\n"
     "curl --cert certificate.pem --key %f 'https://HOST:8443/api/handles/%e'\n"},
};
#define SNIPPET_COUNT (sizeof(snippets) / sizeof(snippets[0]))

const struct key_snippet *key_snippet_at(size_t index)
{
    return index < SNIPPET_COUNT ? &snippets[index] : NULL;
}

const struct key_snippet *key_snippet_find(const char *name)
{
    for (size_t i = 0; i < SNIPPET_COUNT; i++) {
        if (strcmp(snippets[i].name, name) == 0) {
            return &snippets[i];
        }
    }
    return NULL;
}

static void put_percent_encoded(FILE *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                        (c >= 'a' && c <= 'z') || (c != 0 && strchr("-._~/", c) != NULL);
        (void)fprintf(out, is_plain ? "%c" : "%%%02X", c);
    }
}

static void put_filled(FILE *out, const char *text, const char *file, uint32_t index,
                       struct bytes handle)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at != '%') {
            (void)fputc(*at, out);
            continue;
        }
        at++;
        switch (*at) {
        case 'f':
            (void)fputs(file, out);
            break;
        case 'i':
            (void)fprintf(out, "%u", index);
            break;
        case 'h':
            (void)fwrite(handle.data, 1, handle.len, out);
            break;
        case 'e':
            put_percent_encoded(out, handle);
            break;
        default:
            (void)fputc('%', out);
            break;
        }
    }
}

char *key_snippet_fill(struct arena *arena, const struct key_snippet *snippet, const char *file,
                       uint32_t index, struct bytes handle)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return NULL;
    }
    put_filled(out, snippet->text, file, index, handle);
    bool is_whole = fclose(out) == 0;
    char *copy = is_whole ? arena_text(arena, bytes_of(text, len)) : NULL;
    free(text);
    return copy;
}
