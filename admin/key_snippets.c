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
     "guantong remote ls PREFIX @HOST --key %s --identity %r\n"},
    {"hdl", "batch files of the reference tools (hdl-genericbatch); takes the reference form",
     "参考工具的批处理文件（hdl-genericbatch），需参考格式的密钥",
     "# guantong key convert %s privkey.bin --to reference\n"
     "AUTHENTICATE PUBKEY:%i:%h\n"
     "privkey.bin|\n"},
    {"java", "the reference Java library; takes the reference form",
     "参考 Java 库，需参考格式的密钥",
     "// guantong key convert %s privkey.bin --to reference\n"
     "byte[] file = java.nio.file.Files.readAllBytes(java.nio.file.Path.of(\"privkey.bin\"));\n"
     "byte[] record = net.handle.hdllib.Util.decrypt(file, null); // or the pass phrase's bytes\n"
     "AuthenticationInfo who = new PublicKeyAuthenticationInfo(\n"
     "    net.handle.hdllib.Util.encodeString(\"%q\"), %i,\n"
     "    net.handle.hdllib.Util.getPrivateKeyFromBytes(record, 0));\n"},
    {"national", "what the national SDKs ask for at login (opcode 2001)",
     "国家 SDK 登录（操作码 2001）所需内容",
     "user handle   %h\n"
     "user index    %i\n"
     "private key   PKCS #8 PEM: guantong key convert %s sdk.pem --to pem\n"},
    {"pyhandle", "PYHANDLE's credentials file (REST with a client certificate)",
     "PYHANDLE 的凭据文件（REST，客户端证书）",
     "{\n"
     "  \"client\": \"rest\",\n"
     "  \"handle_server_url\": \"https://HOST:8443\",\n"
     "  \"certificate_only\": \"certificate.pem\",\n"
     "  \"private_key\": \"%j\"\n"
     "}\n"},
    {"curl", "the REST interface with a client certificate", "REST 接口，客户端证书",
     "guantong key convert %s certificate.pem --to certificate --handle %r\n"
     "curl --cert certificate.pem --key %s 'https://HOST:8443/api/handles/%e'\n"},
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

/* Between the single quotes of a shell. */
static void put_quoted(FILE *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        (void)fputs(text.data[i] == '\'' ? "'\\'" : "", out);
        (void)fputc(text.data[i], out);
    }
}

/* A word of a shell; quoted only when it has to be, and no option. */
static void put_word(FILE *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "./_-+:@,=";
    (void)fputs(text[0] == '-' ? "./" : "", out);
    if (text[strspn(text, plain)] == '\0') {
        (void)fputs(text, out);
    } else {
        (void)fputc('\'', out);
        put_quoted(out, bytes_of_text(text));
        (void)fputc('\'', out);
    }
}

/* Between the double quotes of Java or JSON. */
static void put_escaped(FILE *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool is_special = text.data[i] == '"' || text.data[i] == '\\';
        (void)fputs(is_special ? "\\" : "", out);
        (void)fputc(text.data[i], out);
    }
}

static bool fits_a_line(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static void put_reference(FILE *out, uint32_t index, struct bytes handle)
{
    (void)fprintf(out, "'%u:", index);
    put_quoted(out, handle);
    (void)fputc('\'', out);
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
        case 's':
            put_word(out, file);
            break;
        case 'j':
            put_escaped(out, bytes_of_text(file));
            break;
        case 'r':
            put_reference(out, index, handle);
            break;
        case 'q':
            put_escaped(out, handle);
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
    if (!fits_a_line(handle) || !fits_a_line(bytes_of_text(file))) {
        return NULL;
    }
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
