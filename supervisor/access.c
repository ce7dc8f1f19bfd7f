/* SPDX-License-Identifier: Apache-2.0 */
/* How workers reach the databases: user, password, scheme and times, as the operator's configuration says. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "supervisor/link.h"

static void add_way(const cJSON *a, cJSON *to)
{
    const char *scheme = json_str(a, "scheme", ""), *ca = json_str(a, "rootCA", "");

    json_set_str(to, "scheme",
                 strcasecmp(scheme, "https") == 0  ? "https"
                 : strcasecmp(scheme, "http") == 0 ? "http"
                                                   : "auto");
    if (*ca)
        json_set_str(to, "ca", ca);
    json_set_bool(to, "insecure", !*ca); /* as Altinity's operator: who wants certificates verified says by whom */
    json_set_int(to, "port", json_int(a, "port", 8123));
    json_set_int(to, "connect_s", json_int(a, "timeouts.connect", 0));
    json_set_int(to, "query_s", json_int(a, "timeouts.query", 0));
}

cJSON *access_data(struct inst *in)
{
    cJSON *data = cJSON_CreateObject();
    const cJSON *a = json_at(in->s->config, "clickhouse.access");
    const char *secret = json_str(a, "secret.name", "");
    const char *user = NULL, *password = NULL;
    struct render_ctx c;

    if (*secret) {
        desired_ctx(in, &c);
        user = c.secret(in, desired_access_ns(in), secret, "username");
        password = c.secret(in, desired_access_ns(in), secret, "password");
    }
    if (!user || !*user || !password || !*password) {
        user = json_str(a, "username", "");
        password = json_str(a, "password", "");
    }
    json_set_str(data, "user", *user ? user : "clickhouse_operator");
    json_set_str(data, "password", password);
    add_way(a, data);
    return data;
}
