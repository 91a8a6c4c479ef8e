/* SPDX-License-Identifier: Apache-2.0
 *
 * MD5 as RFC 1321 defines it.
 */
#include "protocol/md5.h"

#define BLOCK_LEN 64
#define LENGTH_AT 56 /* where the bit count begins in the last block */

static const uint32_t sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static const uint8_t shifts[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t load_le(const uint8_t *at)
{
    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static void store_le(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)v;
    at[1] = (uint8_t)(v >> 8);
    at[2] = (uint8_t)(v >> 16);
    at[3] = (uint8_t)(v >> 24);
}

/* The round function's value and the word of the block it is added to, for step `i`. */
static uint32_t mix(const uint32_t s[4], unsigned i, unsigned *out_word)
{
    uint32_t b = s[1];
    uint32_t c = s[2];
    uint32_t d = s[3];
    switch (i / 16) {
    case 0:
        *out_word = i;
        return (b & c) | (~b & d);
    case 1:
        *out_word = (5 * i + 1) % 16;
        return (d & b) | (~d & c);
    case 2:
        *out_word = (3 * i + 5) % 16;
        return b ^ c ^ d;
    default:
        *out_word = 7 * i % 16;
        return c ^ (b | ~d);
    }
}

static void add_block(struct md5 *md5, const uint8_t *block)
{
    uint32_t s[4] = {md5->state[0], md5->state[1], md5->state[2], md5->state[3]};
    for (unsigned i = 0; i < 64; i++) {
        unsigned word = 0;
        uint32_t sum = mix(s, i, &word) + s[0] + sines[i] + load_le(block + (size_t)4 * word);
        unsigned shift = shifts[i / 16][i % 4];
        s[0] = s[3];
        s[3] = s[2];
        s[2] = s[1];
        s[1] += sum << shift | sum >> (32 - shift);
    }
    for (unsigned i = 0; i < 4; i++) {
        md5->state[i] += s[i];
    }
}

void md5_init(struct md5 *md5)
{
    *md5 = (struct md5){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
}

void md5_add(struct md5 *md5, uint8_t byte)
{
    md5->block[md5->len++ % BLOCK_LEN] = byte;
    if (md5->len % BLOCK_LEN == 0) {
        add_block(md5, md5->block);
    }
}

void md5_end(struct md5 *md5, uint8_t out[MD5_LEN])
{
    uint64_t bits = md5->len * 8;
    md5_add(md5, 0x80);
    while (md5->len % BLOCK_LEN != LENGTH_AT) {
        md5_add(md5, 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        md5_add(md5, (uint8_t)(bits >> 8 * i));
    }
    for (unsigned i = 0; i < 4; i++) {
        store_le(out + (size_t)4 * i, md5->state[i]);
    }
}
