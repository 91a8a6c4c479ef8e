/* SPDX-License-Identifier: Apache-2.0
 *
 * How the page looks, its small script, and the policy that allows these two and nothing else.
 */
#pragma once

/* The contents of <style>, in pieces up to a NULL, and of <script>. */
const char *const *page_style(void);
const char *page_script(void);

#define PAGE_POLICY_MAX 512

/* The Content-Security-Policy of the page: nothing from anywhere, these two by their digest. */
void page_style_policy(char out_policy[PAGE_POLICY_MAX]);
