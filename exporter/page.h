/* SPDX-License-Identifier: Apache-2.0 */
/* The text of one look, made piece by piece as its reader takes it: a large fleet's page is hundreds of megabytes. */
#ifndef EXPORTER_PAGE_H
#define EXPORTER_PAGE_H

#include "exporter/scrape.h"

struct page;
/* Holds a reference to the look while it lives. */
struct page *page_new(struct scrape *s);
void page_free(struct page *p); /* NULL is allowed */
/* Appends until `out` has `want` bytes or more. False when the page is over. */
bool page_more(struct page *p, struct str *out, size_t want);

#endif
