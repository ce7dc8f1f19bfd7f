/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/generated.h"

#include "base/mem.h"
#include "schema/crd.h"
#include "schema/explain.h"

enum { FORM_CRD, FORM_PAGE, FORM_EXAMPLE, FORMS };

size_t schema_generated_files(void)
{
    return (size_t)SCHEMA_KINDS * FORMS;
}

char *schema_generated_name(size_t i)
{
    const struct schema_resource *r = schema_resource((enum schema_kind)(i / FORMS));

    switch (i % FORMS) {
    case FORM_CRD:
        return mem_printf("deploy/crds/%s.%s.yaml", r->plural, r->group);
    case FORM_PAGE:
        return mem_printf("docs/reference/%s.md", r->short_name);
    default:
        return mem_printf("examples/all-parameters-%s.yaml", r->short_name);
    }
}

void schema_generated_text(size_t i, struct str *out)
{
    enum schema_kind kind = (enum schema_kind)(i / FORMS);

    switch (i % FORMS) {
    case FORM_CRD:
        schema_crd_file(kind, out);
        break;
    case FORM_PAGE:
        schema_reference_page(kind, out);
        break;
    default:
        schema_example(kind, out);
    }
}
