/* SPDX-License-Identifier: Apache-2.0 */
/* Volume claims: what becomes of them, and what of a wanted volume a live claim cannot give. Pure. */
#ifndef RENDER_CLAIMS_H
#define RENDER_CLAIMS_H

#include "model/facts.h"
#include "render/render.h"

/* Must this claim of the host with StatefulSet `sts` be left alone, whatever happens to its host? By its reclaimPolicy
 * label, and by the policy of the template it was made from: Retain in one of them counts. A claim that has neither is
 * of unknown policy and is kept. */
bool claim_kept(const struct fleet *f, const char *sts, const cJSON *pvc);

/* What the volume should be and this claim can never become ("storageClassName", "accessModes"): only a new volume can.
 * False: nothing. The texts of *what are the caller's. */
bool claim_must_move(const struct volume *v, const cJSON *pvc, struct change *what);

/* The claim that holds the data directory of this StatefulSet's pod; "" when nothing outlives the pod; a text of its own
 * for volumes of other kinds. Caller frees. */
char *claim_of_data(const struct fleet *f, const cJSON *sts);

/* Will the wanted host start without what the live one has on its disks? */
bool claim_data_moves(const struct fleet *f, const struct host *h, const struct render_ctx *c, const cJSON *wanted_sts);

/* Must this claim go before the wanted host starts? Because it can never become what is wanted (*what says it), or, but
 * for logs, because the data directory starts empty and must not find what belongs to the old one. `data_moves` is what
 * claim_data_moves says. The texts of *what are the caller's. */
bool claim_goes(const struct volume *v, const cJSON *pvc, bool data_moves, struct change *what);

/* Since when (RFC 3339) the volume has grown and its file system has not; "" when it is not so. */
const char *claim_waits_for_node(const cJSON *pvc);

/* The name of the volume template that a claim of this StatefulSet was made from; NULL. Caller frees. */
char *claim_template(const char *sts, const char *claim);

/* Does spec.chfleet.consent.LIST name the claim of this cluster, by itself or as cluster/claim? */
bool claim_consented(const cJSON *consent, const char *list, const char *cluster, const char *claim);

#endif
