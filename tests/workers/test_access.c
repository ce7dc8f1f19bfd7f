/* SPDX-License-Identifier: Apache-2.0 */
/* Users, roles, quotas, policies, profiles, grants and named collections on their way to a new host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "tests/workers/scenes.h"
#include "workers/access_copy.h"

/* ---- texts ---- */

static void a_password_that_is_not_shown_is_noticed(void **state)
{
    static const char *const hidden[] = {
        "CREATE USER u IDENTIFIED WITH sha256_password SETTINGS PROFILE `p`",
        "CREATE USER u IDENTIFIED WITH plaintext_password",
        "CREATE USER u IDENTIFIED WITH bcrypt_password HOST LOCAL",
        "CREATE USER u IDENTIFIED WITH sha256_hash BY '[HIDDEN]' SALT '[HIDDEN]'",
        "CREATE USER u IDENTIFIED WITH sha256_hash BY 'AB', double_sha1_password",
    };
    static const char *const shown[] = {
        "CREATE USER u",
        "CREATE USER u IDENTIFIED WITH no_password",
        "CREATE USER u IDENTIFIED WITH sha256_hash BY 'AB' SALT 'x'",
        "CREATE USER u IDENTIFIED WITH plaintext_password BY 'x'",
        "CREATE USER u IDENTIFIED WITH ldap SERVER 's'",
        "CREATE USER u IDENTIFIED WITH kerberos REALM 'R'",
        "CREATE USER u IDENTIFIED WITH ssl_certificate CN 'c'",
        "CREATE USER u IDENTIFIED WITH sha256_hash BY 'AB', bcrypt_hash BY 'CD'",
    };

    (void)state;
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (!access_hides_secret(hidden[i]))
            fail_msg("not noticed: %s", hidden[i]);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (access_hides_secret(shown[i]))
            fail_msg("nothing is hidden: %s", shown[i]);
}

static void the_to_of_a_profile_is_found_outside_of_quotes(void **state)
{
    static const char plain[] = "CREATE SETTINGS PROFILE `a TO b` SETTINGS x = ' TO \\' TO ', INHERIT `c`";
    auto_free char *with = mem_printf("%s TO `r TO s`, u", plain);

    (void)state;
    assert_int_equal(access_without_to(plain), strlen(plain));
    assert_int_equal(access_without_to(with), strlen(plain));
}

static void statements_do_nothing_where_the_thing_is(void **state)
{
    auto_str struct str out = STR_INIT;

    (void)state;
    assert_true(access_create("ROW POLICY", "CREATE ROW POLICY p ON a.b USING 1 TO ALL", &out));
    assert_string_equal(str_text(&out), "CREATE ROW POLICY IF NOT EXISTS p ON a.b USING 1 TO ALL");
    assert_false(access_create("USER", "ATTACH USER u", &out));
}

/* ---- a new host ---- */

static void modern(struct script *s)
{
    scene(s, 1, 2, "none");
    scene_give(s, 1, "create");
    s->version = "24.8.4.13";
    script_access_add(s, 0, "SETTINGS PROFILE\tp\t\t\tCREATE SETTINGS PROFILE `p` SETTINGS max_threads = 2 TO u, r");
    script_access_add(s, 0, "USER\tu\t\t\tCREATE USER u IDENTIFIED WITH sha256_hash BY 'TOPSECRET' SETTINGS PROFILE `p`");
    script_access_add(s, 0, "ROLE\tr\t\t\tCREATE ROLE r SETTINGS PROFILE `p`");
    script_access_add(s, 0, "QUOTA\tq\t\t\tCREATE QUOTA q FOR INTERVAL 1 hour MAX queries = 9 TO u");
    script_access_add(s, 0, "ROW POLICY\tmine\tdb\tt\tCREATE ROW POLICY mine ON db.t FOR SELECT USING 1 TO r");
    script_access_add(s, 0, "ROW POLICY\tall\tdb\t\tCREATE ROW POLICY all ON db.* FOR SELECT USING 1 TO u");
    script_access_add(s, 0, "GRANT\tr\t\t\tGRANT SELECT ON db.* TO r");
    script_access_add(s, 0, "GRANT\tu\t\t\tGRANT r TO u");
    script_access_add(s, 0, "COLLECTION\tnc\tkey\t\tTOPSECRET");
}

static void expect_done(struct script *s)
{
    if (*s->violation)
        fail_msg("%s\n%s", s->violation, str_text(&s->log));
    if (!s->done || strcmp(s->outcome, "done") != 0)
        fail_msg("%s %s\n%s", s->done ? s->outcome : "not done", s->done_text,
                 s->said.len > 600 ? str_text(&s->said) + s->said.len - 600 : str_text(&s->said));
    if (strstr(str_text(&s->said), "TOPSECRET"))
        fail_msg("a secret was told to the supervisor:\n%s", str_text(&s->said));
}

static void a_new_host_has_what_sql_made_of_users(void **state)
{
    struct script s;

    (void)state;
    modern(&s);
    script_finish(&s, 600000);
    expect_done(&s);
    script_access_same(&s, 0, 1);
    assert_null(strstr(str_text(&s.said), "ACCESS_NOT_COPIED"));
    script_fini(&s);
}

static void a_user_whose_password_is_hidden_is_told_and_the_rest_is_copied(void **state)
{
    struct script s;

    (void)state;
    modern(&s);
    script_access_add(&s, 0, "USER\tsecret\t\t\tCREATE USER secret IDENTIFIED WITH sha256_password");
    script_finish(&s, 600000);
    expect_done(&s);
    assert_non_null(strstr(str_text(&s.said), "user secret is not copied"));
    assert_true(script_access_has(&s, 1, "USER u"));
    assert_false(script_access_has(&s, 1, "USER secret"));
    assert_string_equal(s.hosts[1].member, "in");
    script_fini(&s);
}

static void what_cannot_be_made_keeps_no_host_out(void **state)
{
    struct script s;

    (void)state;
    modern(&s);
    script_access_add(&s, 0, "QUOTA\tlost\t\t\tCREATE QUOTA lost TO nobody_knows_him");
    script_finish(&s, 600000);
    expect_done(&s);
    assert_non_null(strstr(str_text(&s.said), "the first of lost (code"));
    assert_string_equal(s.hosts[1].member, "in");
    script_fini(&s);
}

static void an_operator_that_may_not_see_users_says_so(void **state)
{
    struct script s;

    (void)state;
    modern(&s);
    s.access_denied = true;
    script_finish(&s, 600000);
    expect_done(&s);
    assert_non_null(strstr(str_text(&s.said), "Give it access_management"));
    script_fini(&s);
}

static void a_policy_of_none_copies_no_users(void **state)
{
    struct script s;

    (void)state;
    modern(&s);
    s.schema_policy = "None";
    script_finish(&s, 600000);
    expect_done(&s);
    assert_false(script_access_has(&s, 1, "USER u"));
    script_fini(&s);
}

/* ---- databases that replicate themselves ---- */

static void a_replicated_database_makes_its_own_tables(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "none");
    scene_give(&s, 1, "create");
    s.version = "24.8.4.13";
    s.replicated = true;
    s.hosts[0].database_replica = true;
    script_finish(&s, 600000);
    expect_done(&s);
    assert_int_equal(script_count(&s, "create-database "), 1);
    assert_int_equal(script_count(&s, "create-table "), 0);
    assert_true(s.hosts[1].has_table);
    script_fini(&s);
}

static void a_rebuilt_host_gets_its_place_in_a_replicated_database_back(void **state)
{
    struct script s;

    (void)state;
    scene(&s, 1, 2, "rebuild");
    s.version = "24.8.4.13";
    s.replicated = true;
    s.hosts[0].database_replica = s.hosts[1].database_replica = true;
    script_finish(&s, 600000);
    expect_done(&s);
    assert_int_equal(script_count(&s, "drop-database-replica ns/i/c/0/1"), 1);
    assert_true(s.hosts[0].has_table && s.hosts[0].database_replica && s.hosts[1].database_replica);
    script_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_that_is_not_shown_is_noticed),
        cmocka_unit_test(the_to_of_a_profile_is_found_outside_of_quotes),
        cmocka_unit_test(statements_do_nothing_where_the_thing_is),
        cmocka_unit_test(a_new_host_has_what_sql_made_of_users),
        cmocka_unit_test(a_user_whose_password_is_hidden_is_told_and_the_rest_is_copied),
        cmocka_unit_test(what_cannot_be_made_keeps_no_host_out),
        cmocka_unit_test(an_operator_that_may_not_see_users_says_so),
        cmocka_unit_test(a_policy_of_none_copies_no_users),
        cmocka_unit_test(a_replicated_database_makes_its_own_tables),
        cmocka_unit_test(a_rebuilt_host_gets_its_place_in_a_replicated_database_back),
    };

    log_set_level(LOG_ERR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
