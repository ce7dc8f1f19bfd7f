/* SPDX-License-Identifier: Apache-2.0 */
/* From a resource to hosts with labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "exporter/target.h"
#include "model/config.h"

static cJSON *parse(const char *text)
{
    cJSON *j = json_parse(text, strlen(text), NULL);

    assert_non_null(j);
    return j;
}

static const char resource[] =
    "{\"apiVersion\":\"clickhouse.altinity.com/v1\",\"kind\":\"ClickHouseInstallation\",\"metadata\":{\"name\":\"demo\",\"namespace\":\"shop\","
    "\"uid\":\"u\",\"generation\":1,\"labels\":{\"team\":\"blue\",\"secret-label\":\"x\"},\"annotations\":{\"owner/mail\":\"a@b\","
    "\"chfleet.io/render\":\"3\",\"kubectl.kubernetes.io/last-applied-configuration\":\"password\"}},"
    "\"spec\":{\"namespaceDomainPattern\":\"%s.svc.test\",\"configuration\":{\"clusters\":[{\"name\":\"main\",\"layout\":{\"shardsCount\":2}},"
    "{\"name\":\"other\",\"secure\":\"yes\",\"insecure\":\"no\",\"layout\":{\"replicasCount\":1}}]}}}";

static struct target *make(const char *config_text, const struct target *old)
{
    static const struct addressing dns = {.endpoints = false};
    auto_json cJSON *res = parse(resource), *file = parse(config_text), *config = config_effective(file, NULL, 0);
    struct fleet_input in = {.resource = res, .config = config, .addressing = &dns};
    auto_fleet struct fleet *f = NULL;
    struct err err = ERR_INIT;

    if (fleet_make(&in, &f, &err) < 0)
        fail_msg("%s", err.msg);
    return target_make(f, old);
}

static void hosts_carry_labels_and_annotations_of_their_installation(void **state)
{
    struct target *t = make("{}", NULL);

    (void)state;
    assert_int_equal(t->n_hosts, 3);
    assert_string_equal(t->hosts[0].text, "chi=\"demo\",hostname=\"chi-demo-main-0-0.shop.svc.test\",namespace=\"shop\","
                                          "owner_mail=\"a@b\",secret_label=\"x\",team=\"blue\"");
    assert_string_equal(t->hosts[0].address, "chi-demo-main-0-0.shop.svc.test");
    target_unref(t);
}

static void excluded_labels_are_not_shown(void **state)
{
    struct target *t = make("{\"metrics\":{\"labels\":{\"exclude\":[\"secret-label\",\"owner/mail\",\"namespace\"]}}}", NULL);

    (void)state;
    assert_string_equal(t->hosts[0].text, "chi=\"demo\",hostname=\"chi-demo-main-0-0.shop.svc.test\",team=\"blue\"");
    target_unref(t);
}

static void the_applied_manifest_is_never_shown(void **state)
{
    struct target *t = make("{}", NULL);
    auto_json cJSON *j = target_json(t);
    auto_free char *text = json_print(j);

    (void)state;
    assert_null(strstr(text, "password"));
    assert_null(strstr(t->hosts[0].text, "password"));
    assert_null(strstr(t->hosts[0].text, "chfleet"));
    target_unref(t);
}

static void chi_lists_installations_as_the_peer_does(void **state)
{
    struct target *t = make("{}", NULL);
    auto_json cJSON *j = target_json(t), *wanted = parse(
        "{\"namespace\":\"shop\",\"name\":\"demo\",\"labels\":{\"team\":\"blue\",\"secret-label\":\"x\"},\"annotations\":{\"owner/mail\":\"a@b\"},"
        "\"clusters\":[{\"name\":\"main\",\"hosts\":[{\"name\":\"0-0\",\"hostname\":\"chi-demo-main-0-0.shop.svc.test\",\"tcpPort\":9000,\"httpPort\":8123},"
        "{\"name\":\"1-0\",\"hostname\":\"chi-demo-main-1-0.shop.svc.test\",\"tcpPort\":9000,\"httpPort\":8123}]},"
        "{\"name\":\"other\",\"hosts\":[{\"name\":\"0-0\",\"hostname\":\"chi-demo-other-0-0.shop.svc.test\",\"tlsPort\":9440,\"httpsPort\":8443}]}]}");
    auto_free char *text = json_print(j);

    (void)state;
    if (!json_same(j, wanted))
        fail_msg("%s", text);
    target_unref(t);
}

static void what_was_seen_of_a_host_outlives_a_change_of_the_resource(void **state)
{
    struct target *old = make("{}", NULL), *t;

    (void)state;
    old->hosts[1].version_known = true;
    old->hosts[1].version.major = 24;
    old->hosts[2].failed = true;
    t = make("{}", old);
    assert_int_equal(t->hosts[1].version.major, 24);
    assert_true(t->hosts[2].failed);
    assert_false(t->hosts[0].version_known);
    target_unref(t);
    target_unref(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_carry_labels_and_annotations_of_their_installation),
        cmocka_unit_test(excluded_labels_are_not_shown),
        cmocka_unit_test(the_applied_manifest_is_never_shown),
        cmocka_unit_test(chi_lists_installations_as_the_peer_does),
        cmocka_unit_test(what_was_seen_of_a_host_outlives_a_change_of_the_resource),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
