/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the field table; nobody else includes it. */
#ifndef SCHEMA_FIELDS_INTERNAL_H
#define SCHEMA_FIELDS_INTERNAL_H

#include "schema/fields.h"

/* name, shape, meaning, default */
#define F(name, shape, text, dflt)                                                                                     \
    {                                                                                                                  \
        name, &(shape), 0, text, dflt, NULL                                                                            \
    }
/* … and what the example file shows */
#define FE(name, shape, text, dflt, example)                                                                           \
    {                                                                                                                  \
        name, &(shape), 0, text, dflt, example                                                                         \
    }
#define FX(name, shape, flags, text, dflt, example)                                                                    \
    {                                                                                                                  \
        name, &(shape), flags, text, dflt, example                                                                     \
    }
/* … a list whose entries are told apart by name */
#define FU(name, shape, text, dflt)                                                                                    \
    {                                                                                                                  \
        name, &(shape), FIELD_UNIQUE, text, dflt, NULL                                                                 \
    }
#define FIELD_END                                                                                                      \
    {                                                                                                                  \
        NULL, NULL, 0, NULL, NULL, NULL                                                                                \
    }

#define OBJECT(id) static const struct shape id = {.kind = SHAPE_OBJECT, .fields = id##_fields}
#define SHARED_OBJECT(id, text_name)                                                                                   \
    const struct shape id = {.kind = SHAPE_OBJECT, .fields = id##_fields, .name = text_name}
/* the same, known under a name in this file only */
#define NAMED_OBJECT(id, text_name)                                                                                    \
    static const struct shape id = {.kind = SHAPE_OBJECT, .fields = id##_fields, .name = text_name}
#define LIST(id, of) static const struct shape id = {.kind = SHAPE_LIST, .items = &(of)}

/* fields_shared.c: used by several resources */
extern const struct shape schema_text, schema_integer, schema_boolean, schema_count, schema_texts;
extern const struct shape schema_string_bool, schema_provisioner, schema_retain_delete, schema_short_name;
extern const struct shape schema_port, schema_up_to_65535, schema_integer_from_1;
extern const struct shape schema_percent, schema_threads, schema_seconds_3600;
extern const struct shape schema_settings, schema_files, schema_labels;
extern const struct shape schema_meta, schema_pod_spec, schema_pvc_spec, schema_service_spec, schema_any;
extern const struct shape schema_cleanup_kinds, schema_cleanup, schema_reconcile_policy, schema_reconcile_runtime;
extern const struct shape schema_reconcile_host, schema_reconcile_sts, schema_storage_management, schema_distributed_ddl, schema_zone;
extern const struct shape schema_volume_claim_templates, schema_service_templates, schema_port_distributions;
extern const struct shape schema_pod_distributions, schema_old_distribution;
extern const struct shape schema_cluster_name, schema_domain_pattern, schema_chk_configuration;
extern const struct shape schema_chfleet, schema_wave, schema_zookeeper, schema_status;

/* fields_chi.c, fields_chk.c, fields_chopconf.c */
extern const struct shape schema_chi_root, schema_chit_root, schema_chk_root, schema_chopconf_root,
    schema_chopconf_spec;

#endif
