/* SPDX-License-Identifier: Apache-2.0
 *
 * Look and script of the page; see page_style.h. Fonts are the system's, colours follow its light
 * or dark.
 */
#include "resolver/page_style.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "protocol/digest.h"

#define PIECES_MAX 4

/* In pieces: no string is longer than compilers must take. */
static const char *const style[] = {
    ":root{color-scheme:light dark;--ground:#eef0ee;--card:#fff;--ink:#16201f;--soft:#56625f;"
    "--line:#d5dad7;--accent:#0a6259;--warm:#9a4a06;--warm-ground:#fdf1e3;--plate:#1d2b2a;"
    "--plate-ink:#f3f7f5;--plate-soft:#a9bab5;--field:#f6f8f6}"
    "@media(prefers-color-scheme:dark){:root{--ground:#0f1514;--card:#182120;--ink:#e6ecea;"
    "--soft:#9dada8;--line:#2c3836;--accent:#6fd0c0;--warm:#f0b071;--warm-ground:#2e2114;"
    "--plate:#1f2e2c;--field:#111918}}"
    "*{box-sizing:border-box}"
    "html{-webkit-text-size-adjust:100%}"
    "body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.6 system-ui,-apple-system,"
    "'Segoe UI',Roboto,'PingFang SC','HarmonyOS Sans SC','MiSans','Microsoft YaHei',"
    "'Noto Sans CJK SC','WenQuanYi Zen Hei',sans-serif;overflow-wrap:anywhere}"
    "a{color:var(--accent);text-underline-offset:.2em}"
    "a:focus-visible,button:focus-visible,input:focus-visible,summary:focus-visible{outline:3px "
    "solid var(--accent);outline-offset:2px}"
    "header,main,footer{max-width:64rem;margin:0 auto;padding:0 1rem}"
    "header{display:flex;align-items:center;justify-content:space-between;gap:1rem;min-height:"
    "3.5rem;font-size:.9rem}"
    "header a{color:var(--ink);text-decoration:none;padding:.6rem 0}"
    "header .home{display:flex;align-items:center;gap:.6rem;font-weight:600}"
    "header .home svg{flex:none;color:var(--accent)}"
    "header .other{color:var(--accent);padding:.6rem .2rem;white-space:nowrap}"
    ".plate{position:relative;background:var(--plate);color:var(--plate-ink);border-radius:10px;"
    "padding:1.7rem 1.6rem 1.5rem;margin:.25rem 0 1rem;background-image:radial-gradient(circle at "
    "13px 13px,#6d807b 3px,transparent 3.6px),radial-gradient(circle at calc(100% - 13px) 13px,"
    "#6d807b 3px,transparent 3.6px),radial-gradient(circle at 13px calc(100% - 13px),#6d807b 3px,"
    "transparent 3.6px),radial-gradient(circle at calc(100% - 13px) calc(100% - 13px),#6d807b 3px,"
    "transparent 3.6px)}"
    ".plate p{margin:0}.plate .actions{margin-top:0}.plate button{margin-top:1.1rem}"
    ".plate .what{margin:0;font-size:.8rem;letter-spacing:.06em;color:var(--plate-soft)}"
    ".plate .title{font-size:1.15rem;font-weight:600;margin-top:.5rem}"
    "h1{margin:.3rem 0 0;font:600 clamp(1.2rem,4.6vw,1.9rem)/1.3 ui-monospace,SFMono-Regular,"
    "Menlo,Consolas,'DejaVu Sans Mono',monospace;overflow-wrap:anywhere}"
    "h1.words{font-family:inherit}"
    "h1 .prefix{color:var(--plate-soft);font-weight:500}"
    ".plate .tags{display:flex;flex-wrap:wrap;gap:.4rem;margin-top:.9rem}"
    ".tag{font-size:.8rem;line-height:1;padding:.4rem .6rem;border-radius:5px;background:#fff1;"
    "color:var(--plate-ink);border:1px solid #fff3}"
    ".tag.warm{background:#f0b071;color:#2a1703;border-color:#f0b071}"
    ".note{margin:0 0 1rem;padding:.8rem 1rem;border-radius:8px;background:var(--warm-ground);"
    "border-left:4px solid var(--warm);font-size:.95rem}"
    ".note.calm{background:var(--card);border-color:var(--accent)}"
    ".note ul{margin:.2rem 0 0;padding-left:1.2rem}"
    "q{quotes:none;font-family:ui-monospace,Consolas,monospace;font-size:.92em}",
    ".columns{display:grid;gap:1rem;align-items:start}"
    "@media(min-width:52rem){.columns{grid-template-columns:minmax(0,1fr) 19rem}}"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.1rem "
    "1.2rem;margin-bottom:1rem;min-width:0}"
    ".columns>.card,.columns .card:last-child{margin-bottom:0}"
    "h2{font-size:.95rem;margin:0 0 .7rem;color:var(--soft);font-weight:600}"
    "dl{margin:0}dd{margin:0}dt{color:var(--soft)}"
    ".value{padding:.85rem 0;border-top:1px solid var(--line)}"
    ".values>.value:first-child{border-top:0;padding-top:0}.values>.value:last-child{"
    "padding-bottom:0}"
    ".value>dt{font-size:.85rem;font-weight:600;display:flex;justify-content:space-between;"
    "gap:.6rem;margin-bottom:.15rem}"
    ".index{font-weight:400;font-variant-numeric:tabular-nums}"
    ".text{white-space:pre-wrap}.value>dd>.text{display:block;max-height:15rem;overflow:auto}"
    ".meta{margin:.3rem 0 0;font-size:.8rem;color:var(--soft)}"
    "small{font-size:.8rem;color:var(--soft)}"
    "code{font:.85em/1.5 ui-monospace,Consolas,'DejaVu Sans Mono',monospace;overflow-wrap:anywhere}"
    ".none{color:var(--soft)}"
    ".odd{font:.75em ui-monospace,monospace;background:var(--warm-ground);color:var(--warm);"
    "border-radius:3px;padding:0 .25em;font-style:normal}"
    ".table{display:grid;grid-template-columns:minmax(4.5rem,max-content) minmax(0,1fr);"
    "column-gap:1rem;row-gap:.3rem}"
    ".value .table{background:var(--field);border-radius:6px;padding:.6rem .8rem;margin:.2rem 0}"
    ".table dt{max-width:9rem;font-size:.9rem}"
    "details{margin-top:1rem;border-top:1px solid var(--line)}"
    "summary{cursor:pointer;padding:.85rem 0 .2rem;color:var(--soft);font-size:.9rem;"
    "font-weight:600}"
    ".qr{display:block;width:100%;max-width:15rem;height:auto;margin:0 auto .6rem;"
    "border-radius:6px;background:#fff}"
    ".center{text-align:center;margin:.2rem 0}"
    "main>p{margin:0 0 1rem}.actions{display:flex;flex-wrap:wrap;gap:.5rem;margin:.9rem 0 0}"
    "button,.button{font:inherit;font-size:.95rem;min-height:2.75rem;padding:.5rem 1rem;"
    "border-radius:7px;border:1px solid var(--line);background:var(--card);color:var(--ink);"
    "cursor:pointer;text-decoration:none;display:inline-flex;align-items:center}"
    "button.main{background:var(--accent);border-color:var(--accent);color:var(--card);"
    "font-weight:600}"
    "button[hidden]{display:none}"
    "form label{display:block;font-size:.9rem;color:var(--soft);margin-bottom:.3rem}"
    ".ask{display:flex;flex-wrap:wrap;gap:.6rem}"
    "input{flex:1 1 15rem;min-width:0;font:1rem ui-monospace,Consolas,monospace;min-height:2.9rem;"
    "padding:.5rem .8rem;border:1px solid var(--soft);border-radius:7px;background:var(--field);"
    "color:var(--ink)}"
    ".better{display:block;font:600 1.05rem/1.4 ui-monospace,Consolas,monospace;margin:.2rem 0}"
    "ul.hints{margin:0;padding-left:1.2rem}"
    "footer{font-size:.8rem;color:var(--soft);padding-top:1.2rem;padding-bottom:2rem}"
    "@media print{.actions,header .other,form{display:none}body{background:#fff}}",
    NULL,
};

/* Without it: no buttons to copy and share, times in UTC. */
static const char script[] =
    "(function(){'use strict';var d=document,h=d.getElementById('handle');"
    "d.querySelectorAll('time').forEach(function(t){var m=new Date(t.dateTime);if(!isNaN(m)){"
    "t.textContent=m.toLocaleString(d.documentElement.lang,{year:'numeric',month:'2-digit',day:"
    "'2-digit',hour:'2-digit',minute:'2-digit',hour12:false});t.title=t.dateTime}});"
    "if(!h)return;var c=d.getElementById('copy'),s=d.getElementById('share'),v=h.textContent;"
    "function old(){var a=d.createElement('textarea');a.value=v;d.body.appendChild(a);a.select();"
    "var ok=d.execCommand('copy');a.remove();return ok}"
    "function done(){var w=c.textContent;c.textContent=c.dataset.done;setTimeout(function(){"
    "c.textContent=w},1600)}"
    "if(c){c.hidden=false;c.onclick=function(){if(navigator.clipboard)navigator.clipboard."
    "writeText("
    "v).then(done,function(){if(old())done()});else if(old())done()}}"
    "if(s&&navigator.share){s.hidden=false;s.onclick=function(){navigator.share({title:d.title,"
    "text:v,url:location.href}).catch(function(){})}}})();";

const char *const *page_style(void)
{
    return style;
}

const char *page_script(void)
{
    return script;
}

/* "sha256-<base64>" as policies name what they allow. */
static void put_digest(const char *const *pieces, char out[64])
{
    struct bytes runs[PIECES_MAX];
    size_t count = 0;
    uint8_t digest[32] = {0};
    unsigned char base64[48];
    for (; count < PIECES_MAX && pieces[count] != NULL; count++) {
        runs[count] = bytes_of_text(pieces[count]);
    }
    (void)digest_sha256(runs, count, digest);
    (void)EVP_EncodeBlock(base64, digest, sizeof(digest));
    (void)snprintf(out, 64, "'sha256-%s'", (const char *)base64);
}

void page_style_policy(char out_policy[PAGE_POLICY_MAX])
{
    char styles[64];
    char scripts[64];
    put_digest(style, styles);
    put_digest((const char *const[]){script, NULL}, scripts);
    (void)snprintf(out_policy, PAGE_POLICY_MAX,
                   "default-src 'none'; style-src %s; script-src %s; img-src data:; "
                   "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
                   styles, scripts);
}
