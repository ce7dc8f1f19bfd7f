/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's configuration file in the peer's layout: config.yaml and the folders that it names beside it (files that
 * every installation gets, templates). What the folders hold is put into the tree, so that everybody who plans (operator
 * and command line) works with one text:
 *
 *   clickhouse.configuration.file.content.{common,host,user}.{FILE}  texts of *.xml
 *   keeper.configuration.file.content.{common,host,user}.{FILE}
 *   template.chi.content[]                                           ClickHouseInstallationTemplates, without a namespace
 */
#ifndef SCHEMA_CONFIG_FILE_H
#define SCHEMA_CONFIG_FILE_H

#include "base/err.h"
#include "base/json.h"
#include "schema/check.h"

/* Files of one folder, all together: an API server takes 1 MiB for one object. */
#define SCHEMA_CONFIG_BYTES (512u << 10)

/* Reads and checks. ERR_INPUT names file and place; notes are added to *notes (may be NULL). A folder that does not exist
 * holds nothing. Caller owns *out. Blocks on files. */
int schema_config_load(const char *path, cJSON **out, struct schema_problems *notes, struct err *err);

/* A text that changes whenever the file or something in its folders may have changed (names, sizes, times). `config` is the
 * tree that was loaded from it, or NULL. Caller frees. Blocks on files. */
char *schema_config_stamp(const char *path, const cJSON *config);

#endif
