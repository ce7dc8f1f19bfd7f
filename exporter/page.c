/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/page.h"

#include <stdlib.h>

#include "base/mem.h"

struct page {
    struct scrape *s;
    uint32_t *order; /* families by name */
    size_t family, host; /* the next ones */
    bool begun;      /* HELP and TYPE of the family are out */
};

struct page *page_new(struct scrape *s)
{
    struct page *p = mem_zero(sizeof *p);

    p->s = scrape_ref(s);
    p->order = pool_by_name(s->pool);
    return p;
}

void page_free(struct page *p)
{
    if (!p)
        return;
    scrape_unref(p->s);
    free(p->order);
    free(p);
}

static void put_sample(const struct page *p, struct str *out, const struct family *f, const struct target_host *h,
                       const struct sample *one)
{
    str_add(out, f->name);
    str_addc(out, '{');
    if (one->labels)
        prom_labels_print(out, &h->labels, pool_labels_at(p->s->pool, one->labels));
    else
        str_add(out, h->text);
    str_add(out, "} ");
    prom_number(out, one->value);
    str_addc(out, '\n');
}

static void put_host(struct page *p, struct str *out)
{
    const struct scrape_host *sh = &p->s->hosts[p->host];
    const struct family *f = pool_family_at(p->s->pool, p->order[p->family]);
    size_t n;
    const struct sample *v = samples_of(&sh->samples, p->order[p->family], &n);

    if (n && !p->begun)
        str_addf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->counter ? "counter" : "gauge");
    p->begun |= n > 0;
    for (size_t i = 0; i < n; i++)
        put_sample(p, out, f, sh->h, &v[i]);
}

bool page_more(struct page *p, struct str *out, size_t want)
{
    for (; p->family < pool_families(p->s->pool); p->family++, p->host = 0, p->begun = false)
        for (; p->host < p->s->n; p->host++) {
            if (out->len >= want)
                return true;
            put_host(p, out);
        }
    return false;
}
