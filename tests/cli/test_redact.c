/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/redact.h"

#define SECRET "s3cr3t-Value"

/* The object after redaction, as text; the secret must not be in it. */
static char *redacted(const char *text)
{
    auto_json cJSON *j = json_parse(text, strlen(text), NULL);
    char *out;

    assert_non_null(j);
    redact_object(j);
    out = json_print(j);
    if (strstr(out, SECRET))
        print_error("%s\n", out);
    assert_null(strstr(out, SECRET));
    return out;
}

static void values_of_secrets_go_their_names_stay(void **state)
{
    auto_free char *text = redacted("{\"kind\":\"Secret\",\"metadata\":{\"name\":\"a\"},\"data\":{\"pw\":\"" SECRET "\"},"
                                    "\"stringData\":{\"x\":\"" SECRET "\"}}");

    (void)state;
    assert_non_null(strstr(text, "\"pw\""));
    assert_non_null(strstr(text, REDACTED));
}

static void passwords_of_users_go_in_both_forms(void **state)
{
    auto_free char *flat = redacted("{\"spec\":{\"configuration\":{\"users\":{\"bob/password\":\"" SECRET "\","
                                    "\"bob/password_sha256_hex\":\"" SECRET "\",\"bob/networks/ip\":\"::/0\"}}}}");
    auto_free char *nested = redacted("{\"spec\":{\"configuration\":{\"users\":{\"bob\":{\"password\":\"" SECRET "\","
                                      "\"profile\":\"p\"}}}}}");
    auto_free char *list = redacted("{\"spec\":{\"configuration\":{\"users\":{\"bob/password\":[\"" SECRET "\"]}}}}");

    (void)state;
    assert_non_null(strstr(flat, "::/0"));
    assert_non_null(strstr(nested, "\"profile\":\"p\""));
    assert_non_null(strstr(list, REDACTED));
}

static void numbers_under_a_secrets_name_go_too(void **state)
{
    const char *text = "{\"spec\":{\"users\":{\"bob/password\":12345}}}";
    auto_json cJSON *j = json_parse(text, strlen(text), NULL);

    (void)state;
    redact_object(j);
    assert_string_equal(json_str(json_at(j, "spec.users"), "bob/password", ""), REDACTED);
}

static void references_to_secrets_stay(void **state)
{
    auto_free char *text = redacted("{\"spec\":{\"users\":{\"bob/password\":{\"valueFrom\":{\"secretKeyRef\":{\"name\":\"the-ref\","
                                    "\"key\":\"the-key\"}}}}}}");

    (void)state;
    assert_non_null(strstr(text, "the-ref"));
    assert_non_null(strstr(text, "the-key"));
}

static void a_clusters_secret_goes(void **state)
{
    auto_free char *text = redacted("{\"clusters\":[{\"name\":\"c\",\"secret\":{\"value\":\"" SECRET "\"}}]}");
    auto_free char *plain = redacted("{\"clusters\":[{\"name\":\"c\",\"secret\":\"" SECRET "\"}]}");

    (void)state;
    assert_non_null(strstr(text, "\"name\":\"c\""));
    assert_non_null(strstr(plain, "\"name\":\"c\""));
}

static void environment_of_a_container_is_looked_at(void **state)
{
    auto_free char *text = redacted("{\"containers\":[{\"env\":[{\"name\":\"BACKUP_TOKEN\",\"value\":\"" SECRET "\"},"
                                    "{\"name\":\"MODE\",\"value\":\"fast\"}]}]}");

    (void)state;
    assert_non_null(strstr(text, "fast"));
}

static void generated_xml_loses_its_passwords(void **state)
{
    auto_free char *text = redacted("{\"kind\":\"ConfigMap\",\"data\":{\"users.xml\":\"<clickhouse><users><bob>"
                                    "<password>" SECRET "</password><password_sha256_hex>" SECRET "</password_sha256_hex>"
                                    "<profile>p</profile></bob></users></clickhouse>\"}}");

    (void)state;
    assert_non_null(strstr(text, "<profile>p</profile>"));
    assert_non_null(strstr(text, "<password>" REDACTED "</password>"));
}

static void the_note_of_the_last_apply_goes(void **state)
{
    auto_free char *text = redacted("{\"metadata\":{\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":"
                                    "\"" SECRET "\",\"other\":\"stays\"}}}");

    (void)state;
    assert_non_null(strstr(text, "stays"));
}

static void odd_xml_is_no_trouble(void **state)
{
    static const char *const texts[] = {"", "<", "<a", "a<b>c", "<password>", "<password>x", "<password/>y</a>", "</password>z",
                                        "<a>1</a><b", "no xml at all"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        auto_free char *out = redact_xml(texts[i]);

        assert_non_null(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_secrets_go_their_names_stay),
        cmocka_unit_test(passwords_of_users_go_in_both_forms),
        cmocka_unit_test(numbers_under_a_secrets_name_go_too),
        cmocka_unit_test(references_to_secrets_stay),
        cmocka_unit_test(a_clusters_secret_goes),
        cmocka_unit_test(environment_of_a_container_is_looked_at),
        cmocka_unit_test(generated_xml_loses_its_passwords),
        cmocka_unit_test(the_note_of_the_last_apply_goes),
        cmocka_unit_test(odd_xml_is_no_trouble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
